"""The form for a device: what the adapter needs is checked before it is kept."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from adapters.catalogue import CATALOGUE
from adapters.contract import Problem
from resources.models import Resource
from resources.selectors import settings_of_parts, settings_of_wholes

Settings = Mapping[str, Any]


class ReadableJson(json.JSONEncoder):
    """Writes JSON over several lines, as people read it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"indent": 2, "ensure_ascii": False, "sort_keys": False})


def json_field(label: str, help_text: str) -> forms.JSONField:
    """Return a field for a JSON object."""
    return forms.JSONField(
        label=label,
        required=False,
        encoder=ReadableJson,
        help_text=help_text,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10, "spellcheck": "false", "class": "json"}),
        error_messages={
            "invalid": "This is not JSON. Names and words stand in double quotes: {“name”: “value”}."
        },
    )


def kinds() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the kinds of resource, under the adapter that drives them."""
    return [(each.title, [(kind, kind) for kind in each.kinds]) for each in CATALOGUE.values()]


class ResourceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A device or a part of one.

    The settings of a part lie over those of its wholes, so each is checked as the site will get it: a part
    with its wholes, and a whole with all its parts.
    """

    adapter = forms.ChoiceField(
        choices=[(each.name, each.title) for each in CATALOGUE.values()],
        widget=UnfoldAdminSelectWidget,
        help_text="The tool that the site drives it with.",
    )
    kind = forms.ChoiceField(
        choices=kinds, widget=UnfoldAdminSelectWidget, help_text="What a holder asks for; the adapter's own."
    )
    attributes = json_field("Attributes", "What a holder can search for, as a JSON object.")
    settings = json_field(
        "Settings",
        "How the site reaches it, over those of the whole, as a JSON object. Names of secrets, never secrets.",
    )

    class Meta:
        model = Resource
        fields: ClassVar = [
            "name",
            "site",
            "parent",
            "in_service",
            "adapter",
            "kind",
            "attributes",
            "settings",
            "serial",
            "preparation_s",
            "cleanup_s",
        ]
        labels: ClassVar = {"preparation_s": "Preparation (seconds)", "cleanup_s": "Clean-up (seconds)"}

    def clean_attributes(self) -> dict[str, Any]:
        """Take an empty field for an empty object."""
        return self._an_object("attributes")

    def clean_settings(self) -> dict[str, Any]:
        """Take an empty field for an empty object."""
        return self._an_object("settings")

    def clean(self) -> dict[str, Any]:
        """Check what belongs together."""
        found = super().clean() or self.cleaned_data
        parent = found.get("parent", self.instance.parent)
        site = found.get("site") or (self.instance.site if self.instance.site_id else None)
        if parent is not None and site is not None and parent.site_id != site.pk:
            self.add_error("site", f"A part is at the site of its whole: choose “{parent.site}”.")
        adapter = CATALOGUE.get(found.get("adapter", ""))
        if adapter is None:
            return found
        if "kind" in found and found["kind"] not in adapter.kinds:
            self.add_error("kind", f"{adapter.title} drives: {', '.join(adapter.kinds)}.")
        if "attributes" in found:
            self._say("attributes", adapter.check_attributes(found["attributes"]))
        if "settings" in found:
            merged = {**settings_of_wholes(parent), **found["settings"]}
            self._say("settings", adapter.check_settings(merged))
            if not self.errors:
                self._check_parts(found["settings"])
        return found

    def _an_object(self, name: str) -> dict[str, Any]:
        value = self.cleaned_data[name]
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise forms.ValidationError("Write a JSON object: {“name”: “value”}.")
        return value

    def _check_parts(self, own: Settings) -> None:
        for part, merged in settings_of_parts(self.instance.pk, own):
            adapter = CATALOGUE.get(part.adapter)
            if adapter is not None:
                self._say("settings", adapter.check_settings(merged), of=f"{part.name}, a part of it, ")

    def _say(self, field: str, problems: Iterable[Problem], *, of: str = "") -> None:
        for problem in problems:
            message = problem.message.removeprefix("Value error, ")
            named = f"“{problem.field}”: " if problem.field else ""
            self.add_error(field, f"{of}{named}{message}")
