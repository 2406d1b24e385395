"""What a reservation asks for, line by line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.models import Project
from adapters.catalogue import CATALOGUE
from adapters.contract import Artefact as GivenFile
from adapters.contract import Json
from reservations.errors import Invalid
from reservations.models import Artefact
from reservations.policy import MOST_RESOURCES
from resources.models import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One line: a named resource, or so many of a kind."""

    resource: UUID | None = None
    kind: str = ""
    model: str = ""
    site: str = ""
    count: int = 1
    same_site_as: int | None = None
    """The place of another line; both are met at one site."""
    minimum: Mapping[str, float] = field(default_factory=dict)
    """Least values of numeric attributes: `{"memory_gib": 40}`."""
    parameters: Json = field(default_factory=dict)
    artefacts: Mapping[str, UUID] = field(default_factory=dict)

    @property
    def is_named(self) -> bool:
        """Whether exactly this resource is meant."""
        return self.resource is not None

    def as_wish(self) -> dict[str, object] | None:
        """Return what is kept with the lease, so that another device can take its place."""
        if self.is_named:
            return None
        return {"kind": self.kind, "model": self.model, "site": self.site, "minimum": dict(self.minimum)}

    def as_line(self) -> dict[str, object]:
        """Return it as the REST API takes it, so that it can be kept or sent on."""
        line: dict[str, object] = {}
        if self.resource is not None:
            line["resource"] = str(self.resource)
        for name in ("kind", "model", "site"):
            if value := getattr(self, name):
                line[name] = value
        if self.count != 1:
            line["count"] = self.count
        if self.same_site_as is not None:
            line["same_site_as"] = self.same_site_as
        if self.minimum:
            line["attributes"] = {f"{name}_min": least for name, least in self.minimum.items()}
        if self.parameters:
            line["parameters"] = dict(self.parameters)
        if self.artefacts:
            line["artefacts"] = {name: str(key) for name, key in self.artefacts.items()}
        return line

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> "Ask":
        """Return what `as_line` made a line of."""
        named = line.get("resource")
        return cls(
            resource=None if named is None else UUID(named),
            kind=line.get("kind", ""),
            model=line.get("model", ""),
            site=line.get("site", ""),
            count=line.get("count", 1),
            same_site_as=line.get("same_site_as"),
            minimum={name.removesuffix("_min"): least for name, least in line.get("attributes", {}).items()},
            parameters=line.get("parameters", {}),
            artefacts={name: UUID(key) for name, key in line.get("artefacts", {}).items()},
        )


def check_asks(asks: Sequence[Ask]) -> None:
    """Raise `Invalid` for lines that make no sense by themselves."""
    errors: dict[str, list[str]] = {}
    if not asks:
        errors["resources"] = ["Name at least one resource, or a kind of resource."]
    if sum(max(ask.count, 1) for ask in asks) > MOST_RESOURCES:
        errors["resources"] = [f"One reservation can hold at most {MOST_RESOURCES} resources; make several."]
        raise Invalid(errors)
    named = [ask.resource for ask in asks if ask.is_named]
    for place, ask in enumerate(asks):
        path = f"resources.{place}"
        if ask.is_named:
            if named.count(ask.resource) > 1:
                errors[f"{path}.resource"] = ["This resource is named twice."]
            if ask.count != 1:
                errors[f"{path}.count"] = ["A named resource can be had once."]
        elif not ask.kind:
            errors[path] = ["Name a resource, or the kind of resource that would do."]
        if ask.count < 1:
            errors[f"{path}.count"] = ["Ask for at least one."]
        tie = ask.same_site_as
        if tie is not None and (tie == place or not 0 <= tie < len(asks)):
            errors[f"{path}.same_site_as"] = ["Give the place of another line, counted from 0."]
    if errors:
        raise Invalid(errors)


def check_choices(picks: Sequence[tuple[int, Ask, Resource]], project: Project) -> dict[int, list[Artefact]]:
    """Check each line's parameters and files by its adapter; return the files, by the line's place.

    Raises `Invalid` with an error per field.
    """
    errors: dict[str, list[str]] = {}
    files_of: dict[int, list[Artefact]] = {}
    wanted = {key for _, ask, _ in picks for key in ask.artefacts.values()}
    known = {a.pk: a for a in Artefact.objects.filter(pk__in=wanted, project=project)} if wanted else {}
    for place, ask, resource in picks:
        if place in files_of:
            continue
        path = f"resources.{place}"
        files = files_of[place] = []
        for name, key in ask.artefacts.items():
            artefact = known.get(key)
            if artefact is None or artefact.name != name or artefact.adapter != resource.adapter:
                errors[f"{path}.artefacts.{name}"] = [
                    f"The project has no such file for {resource.name}; upload it first."
                ]
            else:
                files.append(artefact)
        if any(key.startswith(path) for key in errors):
            continue
        description = CATALOGUE.get(resource.adapter)
        if description is None:
            errors[path] = [
                f"{resource} is driven by “{resource.adapter}”, which this portal does not know; tell its operator."
            ]
            continue
        given = [
            GivenFile(name=f.name, filename=f.filename, sha256=f.sha256, content=bytes(f.content))
            for f in files
        ]
        for problem in description.check_parameters(ask.parameters, given):
            errors.setdefault(f"{path}.parameters.{problem.field}".rstrip("."), []).append(problem.message)
    if errors:
        raise Invalid(errors)
    return files_of
