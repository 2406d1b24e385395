"""A form for the settings of any adapter, drawn from the schema by which the adapter describes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.contract import AdapterDescription
from resources.errors import CannotAsk

LEFT_OUT = frozenset({"pci", "mig_uuid", "cards", "baseline", "baselines"})
"""What a search finds out by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsField:
    """One field, as the page shows it."""

    name: str
    title: str
    help: str
    required: bool
    sort: str
    """`text`, `number`, `check`, `choice`, `lines` or `json`."""
    value: str = ""
    choices: tuple[str, ...] = ()
    placeholder: str = ""
    errors: tuple[str, ...] = ()


def fields_of(
    adapter: AdapterDescription, given: Mapping[str, str], errors: Mapping[str, list[str]]
) -> list[SettingsField]:
    """Return the fields of the adapter's settings, those that are needed first."""
    schema = adapter.schema_of("settings")
    required = set(schema.get("required", ()))
    fields = [
        _field(name, _resolved(shape, schema), name in required, given, errors)
        for name, shape in schema.get("properties", {}).items()
        if name not in LEFT_OUT
    ]
    return sorted(fields, key=lambda each: (not each.required, not each.errors))


def read_settings(adapter: AdapterDescription, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that were typed; what was left empty is left out."""
    settings: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for each in fields_of(adapter, given, {}):
        text = given.get(f"setting-{each.name}", "").strip()
        match each.sort:
            case "check":
                if text:
                    settings[each.name] = True
            case "lines" if text:
                settings[each.name] = [line.strip() for line in text.splitlines() if line.strip()]
            case "json" if text:
                try:
                    settings[each.name] = json.loads(text)
                except ValueError:
                    errors[each.name] = ["This is not JSON: names and words stand in double quotes."]
            case "number" if text:
                settings[each.name] = _number(text)
            case _ if text:
                settings[each.name] = text
    if errors:
        raise CannotAsk("These settings cannot work.", errors)
    return settings


def _field(
    name: str,
    shape: Mapping[str, Any],
    required: bool,
    given: Mapping[str, str],
    errors: Mapping[str, list[str]],
) -> SettingsField:
    default = shape.get("default")
    words = [words for field, words in errors.items() if field == name or field.startswith(f"{name}.")]
    return SettingsField(
        name=name,
        title=str(shape.get("title") or name.replace("_", " ").capitalize()),
        help=str(shape.get("description") or ""),
        required=required,
        sort=_sort(shape),
        value=given.get(f"setting-{name}", ""),
        choices=tuple(str(choice) for choice in shape.get("enum", ())),
        placeholder="" if default in (None, "", [], {}) else _said(default),
        errors=tuple(word for each in words for word in each),
    )


def _resolved(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shape of a field without references and alternatives with nothing."""
    found = dict(shape)
    if "$ref" in found:
        found = {**schema["$defs"][found["$ref"].rpartition("/")[2]], **found}
    choices = [each for each in found.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        found = {**_resolved(choices[0], schema), **found}
    return found


def _sort(shape: Mapping[str, Any]) -> str:
    if "enum" in shape and shape.get("type") != "integer":
        return "choice"
    match shape.get("type"):
        case "string":
            return "text"
        case "integer" | "number":
            return "number"
        case "boolean":
            return "check"
        case "array" if shape.get("items", {}).get("type") == "string":
            return "lines"
        case _:
            return "json"


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _said(default: Any) -> str:
    if isinstance(default, list):
        return ", ".join(map(str, default))
    if isinstance(default, bool):
        return ""
    return str(default)
