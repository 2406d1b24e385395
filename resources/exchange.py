"""Devices as rows of a table, out and in again: known by site and name, parts by the name of their whole."""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, ClassVar
from uuid import UUID

import tablib
import yaml
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.instance_loaders import BaseInstanceLoader
from import_export.resources import ModelResource
from import_export.widgets import Widget

from adapters.catalogue import CATALOGUE
from resources.cells import read_cells, write_cells
from resources.models import Resource, Site

COLUMNS = (
    "site",
    "name",
    "parent",
    "kind",
    "adapter",
    "in_service",
    "serial",
    "preparation_s",
    "cleanup_s",
    "attributes",
    "settings",
)
MOST_ROWS = 20_000
LARGEST = 2_000_000
"""Characters of a file; more than any site has."""
LONGEST_SECONDS = 2_147_483_647

Row = dict[str, Any]


class NotReadable(Exception):
    """The file is no table of devices; the words say what is wrong with it."""


class _Yes(Widget):  # type: ignore[misc]
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool:
        text = str(value).strip().casefold()
        if text in ("1", "true", "yes", "x"):
            return True
        if text in ("0", "false", "no", ""):
            return False
        raise ValueError(_("Write “yes” or “no”."))


class _Seconds(Widget):  # type: ignore[misc]
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int:
        try:
            seconds = int(str(value).strip())
        except ValueError as error:
            raise ValueError(_("Write a whole number of seconds.")) from error
        if not 0 <= seconds <= LONGEST_SECONDS:
            raise ValueError(_("Write a whole number of seconds, 0 or more."))
        return seconds


class _Text(Widget):  # type: ignore[misc]
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        return "" if value is None else str(value).strip()


class _Object(Widget):  # type: ignore[misc]
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> dict[str, Any]:
        found = value
        if value is None or value == "":
            return {}
        if isinstance(value, str):
            try:
                found = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    _("This is not JSON: {“name”: “value”}, with straight double quotes.")
                ) from error
        if not isinstance(found, dict):
            # The engine takes `ValueError` for “this value”, and anything else for a fault of its own.
            raise ValueError(_("Write a JSON object: {“name”: “value”}, with straight double quotes."))  # noqa: TRY004
        return found


class _ByName(BaseInstanceLoader):  # type: ignore[misc]
    def get_instance(self, row: Row) -> Resource | None:
        return self.resource.known(row)  # type: ignore[no-any-return]


class DeviceExchange(ModelResource):  # type: ignore[misc]
    """The engine of the import; every answer comes from what was read at its beginning."""

    name = Field(attribute="name", column_name="name", widget=_Text())
    kind = Field(attribute="kind", column_name="kind", widget=_Text())
    adapter = Field(attribute="adapter", column_name="adapter", widget=_Text())
    in_service = Field(attribute="in_service", column_name="in_service", widget=_Yes())
    serial = Field(attribute="serial", column_name="serial", widget=_Text())
    preparation_s = Field(attribute="preparation_s", column_name="preparation_s", widget=_Seconds())
    cleanup_s = Field(attribute="cleanup_s", column_name="cleanup_s", widget=_Seconds())
    attributes = Field(attribute="attributes", column_name="attributes", widget=_Object())
    settings = Field(attribute="settings", column_name="settings", widget=_Object())

    class Meta:
        model = Resource
        fields: ClassVar = (
            "name",
            "kind",
            "adapter",
            "in_service",
            "serial",
            "preparation_s",
            "cleanup_s",
            "attributes",
            "settings",
        )
        import_id_fields: ClassVar = ["name"]
        instance_loader_class = _ByName
        use_bulk = True
        batch_size = 1000
        skip_diff = True
        store_instance = True
        force_init_instance = False

    def __init__(self, sites: Iterable[Site]) -> None:
        super().__init__()
        self.sites = {site.slug: site for site in sites}
        self._known: dict[tuple[str, str], Resource] = {}
        self._by_key: dict[UUID, Resource] = {}
        self._parts: dict[UUID, list[Resource]] = {}
        self._seen: set[tuple[str, str]] = set()
        self.before: dict[UUID, Row] = {}
        self._touched: set[str] = set()
        by_key = {site.pk: site for site in self.sites.values()}
        for resource in Resource.objects.filter(site__in=by_key).defer("measurements"):
            resource.site = by_key[resource.site_id]
            self._learn(self._slug_of(resource), resource)

    def known(self, row: Row) -> Resource | None:
        """Return the device that a row means."""
        return self._known.get((row["site"], row["name"]))

    def row_of(self, resource: Resource) -> Row:
        """Return a device as a row."""
        whole = self._by_key.get(resource.parent_id) if resource.parent_id else None
        return {
            "site": self._slug_of(resource),
            "parent": whole.name if whole else "",
        } | {name: deepcopy(getattr(resource, name)) for name in COLUMNS if name not in ("site", "parent")}

    def rows(self) -> list[Row]:
        """Return all devices of the sites as rows, each whole before its parts."""
        ordered = sorted(
            self._by_key.values(), key=lambda each: (self._slug_of(each), self._depth(each), each.name)
        )
        return [self.row_of(resource) for resource in ordered]

    def before_import_row(self, row: Row, **kwargs: Any) -> None:
        """Find out which device is meant, and whether it may be."""
        row["site"] = str(row.get("site") or "").strip() or (
            next(iter(self.sites)) if len(self.sites) == 1 else ""
        )
        row["name"] = str(row.get("name") or "").strip()
        errors: dict[str, list[str]] = {}
        if row["site"] not in self.sites:
            errors["site"] = [_("You run no site “%(slug)s”.") % {"slug": row["site"]}]
        if not row["name"]:
            errors["name"] = [_("Each device has a name.")]
        key = (row["site"], row["name"])
        if key in self._seen:
            errors["name"] = [_("It stands in the file twice.")]
        self._seen.add(key)
        if errors:
            raise ValidationError(errors)

    def import_field(
        self, field: Field, instance: Resource, row: Row, is_m2m: bool = False, **kwargs: Any
    ) -> None:
        """Take a value over; a field that a row does not name, or leaves empty where that says nothing, stays."""
        value = row.get(field.column_name)
        if value is None or (value == "" and field.column_name not in ("serial", "attributes", "settings")):
            return
        super().import_field(field, instance, row, is_m2m, **kwargs)

    def init_instance(self, row: Row | None = None) -> Resource:
        """Return a new device at the site of the row."""
        return Resource(site=self.sites[(row or {})["site"]])

    def after_init_instance(self, instance: Resource, new: bool, row: Row | None, **kwargs: Any) -> None:
        """Remember what it was; place what is new."""
        row = row or {}
        self.before[instance.pk] = {} if new else self.row_of(instance)
        wanted = str(row.get("parent") or "").strip()
        whole = self._known.get((row["site"], wanted)) if wanted else None
        if wanted and whole is None:
            raise ValidationError(
                {
                    "parent": [
                        _("There is no device “%(name)s” at this site, nor before it in the file.")
                        % {"name": wanted}
                    ]
                }
            )
        if not new and row.get("parent") is not None and instance.parent_id != (whole.pk if whole else None):
            raise ValidationError(
                {"parent": [_("A device stays a part of what it is a part of: bookings stand on it.")]}
            )
        if new and whole is not None:
            instance.parent_id = whole.pk

    def skip_row(
        self, instance: Resource, original: Any, row: Row, import_validation_errors: Any = None
    ) -> bool:
        """Leave alone what stays as it is."""
        changes = self.changes_of(instance)
        self._touched |= changes.keys()
        return not import_validation_errors and not changes

    def get_bulk_update_fields(self) -> list[str]:
        """Return the fields that change in some row: writing the others for each would take ten times as long."""
        return [name for name in self._meta.fields if name in self._touched]

    def changes_of(self, instance: Resource) -> dict[str, tuple[Any, Any]]:
        """Return for each column that changes what it was and what it becomes."""
        was, becomes = self.before[instance.pk], self.row_of(instance)
        if not was:
            return {name: (None, value) for name, value in becomes.items() if value not in ("", {})}
        return {name: (was[name], value) for name, value in becomes.items() if was[name] != value}

    def validate_instance(
        self, instance: Resource, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        """Check what the form checks: the fields, the adapter's schema, and the settings of the parts."""
        errors: dict[str, list[str]] = {
            name: [str(message) for error in found for message in error.messages]
            for name, found in (import_validation_errors or {}).items()
        }
        try:
            instance.clean_fields(exclude={"site", "parent", "measurements", *errors})
        except ValidationError as error:
            errors |= {name: [str(word) for word in words] for name, words in error.message_dict.items()}
        if not errors:
            self._check_adapter(instance, errors)
        if errors:
            raise ValidationError(errors)
        self._learn(self._slug_of(instance), instance)

    def _check_adapter(self, instance: Resource, errors: dict[str, list[str]]) -> None:
        adapter = CATALOGUE.get(instance.adapter)
        if adapter is None:
            names = ", ".join(sorted(CATALOGUE))
            errors["adapter"] = [
                _("The portal knows no such adapter; there are: %(names)s.") % {"names": names}
            ]
            return
        if instance.kind not in adapter.kinds:
            errors["kind"] = [
                _("%(adapter)s drives: %(kinds)s.")
                % {"adapter": adapter.title, "kinds": ", ".join(adapter.kinds)}
            ]
        _say(errors, "attributes", adapter.check_attributes(instance.attributes))
        _say(errors, "settings", adapter.check_settings(self._merged(instance)))
        if errors:
            return
        for part in self._parts_below(instance):
            theirs = CATALOGUE.get(part.adapter)
            if theirs is not None:
                of = _("%(name)s, a part of it: ") % {"name": part.name}
                _say(errors, "settings", theirs.check_settings(self._merged(part, instead=instance)), of=of)

    def _merged(self, resource: Resource, *, instead: Resource | None = None) -> dict[str, Any]:
        layers: list[dict[str, Any]] = []
        one: Resource | None = resource
        while one is not None:
            layers.append((instead if instead is not None and instead.pk == one.pk else one).settings)
            one = self._by_key.get(one.parent_id) if one.parent_id else None
        merged: dict[str, Any] = {}
        for layer in reversed(layers):
            merged |= layer
        return merged

    def _parts_below(self, resource: Resource) -> Iterable[Resource]:
        for part in self._parts.get(resource.pk, ()):
            yield part
            yield from self._parts_below(part)

    def _learn(self, slug: str, resource: Resource) -> None:
        if resource.pk not in self._by_key and resource.parent_id:
            self._parts.setdefault(resource.parent_id, []).append(resource)
        self._known[slug, resource.name] = resource
        self._by_key[resource.pk] = resource

    def _slug_of(self, resource: Resource) -> str:
        return resource.site.slug

    def _depth(self, resource: Resource) -> int:
        whole = self._by_key.get(resource.parent_id) if resource.parent_id else None
        return 0 if whole is None else 1 + self._depth(whole)


def read_table(text: str, form: str) -> tuple[tablib.Dataset, list[int]]:
    """Return the rows of a file, wholes first, and the place of each in it; raises `NotReadable` in words."""
    if len(text) > LARGEST:
        raise NotReadable(_("The file is too large; import a part of it at a time."))
    try:
        rows = _READ[form](text)
    except NotReadable:
        raise
    except Exception as error:
        raise NotReadable(
            _("This is no %(form)s: %(why)s") % {"form": form.upper(), "why": str(error)[:300]}
        ) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotReadable(_("Write a list of devices, each with its fields."))
    if not rows:
        raise NotReadable(_("There is no device in it."))
    if len(rows) > MOST_ROWS:
        raise NotReadable(
            _("There are %(count)s rows; import at most %(most)s at a time.")
            % {"count": len(rows), "most": MOST_ROWS}
        )
    columns = list(dict.fromkeys(str(column) for row in rows for column in row))
    if unknown := [column for column in columns if column not in COLUMNS]:
        raise NotReadable(
            _("There are no columns “%(unknown)s”; there are: %(known)s.")
            % {"unknown": "”, “".join(unknown)[:200], "known": ", ".join(COLUMNS)}
        )
    if "name" not in columns:
        raise NotReadable(_("The column “name” is missing."))
    dataset = tablib.Dataset(headers=columns)
    ordered = _wholes_first(rows)
    for _number, row in ordered:
        dataset.append([row.get(column) for column in columns])
    return dataset, [number for number, _row in ordered]


def write_table(rows: list[Row], form: str) -> str:
    """Return rows as a file."""
    if form == "csv":
        return write_cells(COLUMNS, [{name: _cell(value) for name, value in row.items()} for row in rows])
    if form == "yaml":
        return str(yaml.safe_dump(rows, allow_unicode=True, sort_keys=False))
    return json.dumps(rows, ensure_ascii=False, indent=2)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
    return str(value)


def _wholes_first(rows: list[Row]) -> list[tuple[int, Row]]:
    """Return the rows with their places, each whole before its parts, whatever their order in the file."""

    def named(row: Row, column: str) -> tuple[str, str]:
        return str(row.get("site") or ""), str(row.get(column) or "")

    names = {named(row, "name") for row in rows}
    left = list(enumerate(rows, start=1))
    done: set[tuple[str, str]] = set()
    ordered: list[tuple[int, Row]] = []
    while left:
        later: list[tuple[int, Row]] = []
        for number, row in left:
            whole = named(row, "parent")
            if not whole[1] or whole in done or whole not in names:
                ordered.append((number, row))
                done.add(named(row, "name"))
            else:
                later.append((number, row))
        if len(later) == len(left):
            return ordered + later  # a circle: each row will be told that its whole is not there
        left = later
    return ordered


class _Plain(yaml.SafeLoader):
    """YAML without references: a few lines of those can stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise NotReadable(_("References (“*name”) are not read; write the values out."))
        return super().compose_node(parent, index)


_READ: Mapping[str, Any] = {
    "csv": read_cells,
    "json": json.loads,
    "yaml": lambda text: yaml.load(text, Loader=_Plain),  # noqa: S506 - the safe loader, with less
}


def _say(errors: dict[str, list[str]], field: str, problems: Iterable[Any], *, of: str = "") -> None:
    for problem in problems:
        named = f"“{problem.field}”: " if problem.field else ""
        errors.setdefault(field, []).append(f"{of}{named}{problem.message.removeprefix('Value error, ')}")
