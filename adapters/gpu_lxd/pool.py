"""Projects that the operator made beforehand: each lease has one to itself, and leaves it empty.

A certificate that is restricted to projects can neither make one nor write on it. So a lease takes a
project by making a profile in it whose name is always the same: LXD lets only one of two succeed.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote, urlsplit

from adapters.contract import Check, CleanProof, LeaseOrder
from adapters.errors import DeviceBusy, InvalidSettings
from adapters.gpu_lxd import instance as tags
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Instance, name_for
from adapters.gpu_lxd.settings import LxdSettings

CLAIM = "shary-claim"
"""The profile that says whose the project is."""

_MAY_BE_ALLOWED = {
    "restricted.devices.gpu",
    "restricted.devices.proxy",
    "restricted.snapshots",
    "restricted.backups",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something that is in a project."""

    kind: str
    name: str
    path: str

    @classmethod
    def read(cls, used_by: str) -> "Thing":
        """Return the thing that an entry of `used_by` names."""
        parts = [unquote(part) for part in urlsplit(used_by).path.removeprefix("/1.0/").split("/")]
        kind = "volumes" if "volumes" in parts else parts[0]
        return cls(kind=kind, name=parts[-1], path="/".join(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as LXD shows it."""

    name: str
    config: Mapping[str, str]
    things: tuple[Thing, ...]

    @property
    def is_claimed(self) -> bool:
        """Say whether a lease has taken it."""
        return any(thing.kind == "profiles" and thing.name == CLAIM for thing in self.things)

    @property
    def is_inhabited(self) -> bool:
        """Say whether an instance of a lease is in it."""
        return any(thing.kind == "instances" and thing.name.startswith("shary-") for thing in self.things)

    def contents(self, settings: LxdSettings) -> tuple[Thing, ...]:
        """Return what is in it beside what the operator has put there for every lease."""
        kept = {"default", CLAIM, *settings.profiles}
        return tuple(thing for thing in self.things if thing.kind != "profiles" or thing.name not in kept)

    @property
    def unfit(self) -> str:
        """Return why it must not be lent, and what to type; empty when it may be."""
        if self.config.get("restricted") != "true":
            return f"{self.name} is not restricted (lxc project set {self.name} restricted=true)"
        for key, value in sorted(self.config.items()):
            if key.startswith("restricted.") and value == "allow" and key not in _MAY_BE_ALLOWED:
                return f"{self.name} allows too much (lxc project unset {self.name} {key})"
        return ""


def at_home(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> LxdSettings:
    """Return the settings with the project that the lease has; with any of the pool where it has none."""
    if not settings.pool:
        return settings
    home = _home_of(client, settings, order)
    return _in(client, settings, home or _seen(client, settings)[0].name)


def move_in(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> LxdSettings:
    """Take a free project for the lease, or keep the one that it has."""
    if not settings.pool:
        return settings
    home = _home_of(client, settings, order)
    if home is not None:
        return _in(client, settings, home)
    seen = {project.name: project for project in _seen(client, settings)}
    first = zlib.crc32(order.lease_id.encode()) % len(settings.pool)
    reasons = []
    for name in settings.pool[first:] + settings.pool[:first]:
        project = seen.get(name)
        if project is None:
            reasons.append(f"{name} is not there for us")
        elif project.unfit:
            reasons.append(project.unfit)
        elif project.is_claimed:
            reasons.append(f"{name} is taken")
        elif project.contents(settings):
            reasons.append(f"{name} is not empty: {_words(project.contents(settings))}")
        elif _claim(client, name, order):
            return _in(client, settings, name)
        else:
            reasons.append(f"{name} was just taken")
    words = "; ".join(reasons[:8]) + ("; …" if len(reasons) > 8 else "")
    if all(project.unfit for project in seen.values()):
        raise InvalidSettings(f"No project of the pool can be lent: {words}.")
    raise DeviceBusy(f"No project of the pool is free: {words}. Wait, or make the pool larger.")


def claimant(client: LxdClient, settings: LxdSettings, resource_id: str) -> Instance | None:
    """Return who has taken a project for the resource and no instance yet, as an instance that is to be."""
    for project in _projects(client, settings) if settings.pool else ():
        if project.is_claimed and not project.is_inhabited:
            claim = client.entry(f"profiles/{CLAIM}", project=project.name) or {}
            config = claim.get("config") or {}
            if config.get(tags.RESOURCE) == resource_id:
                return Instance(name="", project=project.name, status="Stopped", type="", config=config)
    return None


def empty(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> None:
    """Delete what is left in the lease's project, except instances without the tags of the lease."""
    for project in _projects(client, settings) if settings.pool else ():
        if project.name == settings.project and _home_of(client, settings, order) == project.name:
            for thing in project.contents(settings):
                if thing.kind != "instances":
                    client.drop(thing.path)


def checks_of_project(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> Iterator[Check]:
    """Look whether anything is left in the project that the lease has."""
    home = _home_of(client, settings, order) if settings.pool else None
    if home is None:
        return
    for project in _projects(client, settings):
        if project.name == home:
            left = project.contents(settings)
            yield Check(
                name=f"contents of the project {home}",
                expected="nothing",
                found=_words(left) or "nothing",
                passed=not left,
                method="GET /1.0/projects: instances, volumes, snapshots, images, profiles",
            )


def give_back(client: LxdClient, settings: LxdSettings, order: LeaseOrder, proof: CleanProof) -> CleanProof:
    """Let the next lease have the project, once it is proven empty; return the proof with that in it."""
    home = _home_of(client, settings, order) if settings.pool and proof.is_clean else None
    if home is None:
        return proof
    client.project = home
    client.drop(f"profiles/{CLAIM}")
    left = _home_of(client, settings, order)
    check = Check(
        name="claim on a project",
        expected="none",
        found=left or "none",
        passed=left is None,
        method="profiles of all projects of the pool",
    )
    return replace(proof, checks=(*proof.checks, check))


def _in(client: LxdClient, settings: LxdSettings, home: str) -> LxdSettings:
    client.project = home
    return replace(settings, project=home)


def _claim(client: LxdClient, name: str, order: LeaseOrder) -> bool:
    client.project = name
    config = {
        tags.LEASE: order.lease_id,
        tags.EPOCH: str(order.epoch),
        tags.RESOURCE: order.target.resource_id,
    }
    wish = {"name": CLAIM, "description": "This project is lent by SHARY", "config": config, "devices": {}}
    return client.make("profiles", wish) or _is_ours(client, name, order)


def _home_of(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> str | None:
    claimed = [project for project in _projects(client, settings) if project.is_claimed]
    name = name_for(order)
    for project in claimed:
        if any(thing.kind == "instances" and thing.name == name for thing in project.things):
            return project.name
    # One whose instance was not made yet, or is gone. Those with another lease's need no look.
    return next(
        (
            project.name
            for project in claimed
            if not project.is_inhabited and _is_ours(client, project.name, order)
        ),
        None,
    )


def _is_ours(client: LxdClient, name: str, order: LeaseOrder) -> bool:
    claim = client.entry(f"profiles/{CLAIM}", project=name)
    return claim is not None and (claim.get("config") or {}).get(tags.LEASE) == order.lease_id


def _seen(client: LxdClient, settings: LxdSettings) -> list[Project]:
    seen = _projects(client, settings)
    if not seen:
        raise InvalidSettings(
            f"Our certificate sees no project of the pool ({', '.join(settings.project_pool)}). Make them, and list "
            "them for the certificate: “lxc config trust edit”."
        )
    return seen


def _projects(client: LxdClient, settings: LxdSettings) -> list[Project]:
    wanted = set(settings.pool)
    return [
        Project(
            name=entry["name"],
            config=entry.get("config") or {},
            things=tuple(
                Thing.read(used)
                for used in entry.get("used_by") or ()
                if parse_qs(urlsplit(used).query).get("project", ["default"])[0] == entry["name"]
            ),
        )
        for entry in client.projects()
        if entry["name"] in wanted
    ]


def _words(things: tuple[Thing, ...]) -> str:
    return ", ".join(sorted(f"{thing.kind.removesuffix('s')} {thing.name}" for thing in things))
