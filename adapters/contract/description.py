"""How an adapter describes itself to the portal, which never loads device code."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from adapters.contract.values import Artefact, Json, Problem


def nothing_more_to_check(parameters: Json, artefacts: Sequence[Artefact]) -> tuple[Problem, ...]:
    """The default `check_artefacts`: the schema has said everything."""
    return ()


def nothing_to_warn_of(settings: Json, parameters: Json) -> tuple[str, ...]:
    """The default `warn`: the notice has said everything."""
    return ()


def nothing_to_tell(artefact: Artefact) -> Json:
    """The default `describe_artefact`: its name says enough."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactSlot:
    """A file that the holder may or must give with a booking."""

    name: str
    title: str
    required: bool
    max_bytes: int
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterDescription:
    """What the portal knows of an adapter: names, forms and times, no device code.

    `settings`, `attributes` and `parameters` are classes that pydantic can validate
    (`pydantic.dataclasses.dataclass` with `extra="forbid"`); their fields carry titles and help.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    """The kinds of resource it can drive: `gpu`, `p4_switch`, `smart_nic`."""
    settings: type[Any]
    """How to reach the device. A field that ends in `_secret` holds the *name* of a secret."""
    attributes: type[Any]
    """What a user can search for: model, memory, ports."""
    parameters: type[Any]
    """What the holder can choose for one lease."""
    artefacts: tuple[ArtefactSlot, ...] = ()
    check_artefacts: Callable[[Json, Sequence[Artefact]], tuple[Problem, ...]] = nothing_more_to_check
    """Looks at what the holder gave before it is accepted. Offline, and bounded in time and memory."""
    describe_artefact: Callable[[Artefact], Json] = nothing_to_tell
    """What is in a file that `check_artefacts` found nothing wrong with, for people who look for one."""
    preparation: timedelta
    """How long before the start the device is usually taken into preparation."""
    cleanup: timedelta
    """How long after the end the device usually needs until it is proven clean."""
    deadlines: Mapping[str, timedelta] = field(default_factory=dict)
    """The hard time limit of each verb, after which its process is killed."""
    notice: str = ""
    """What a holder should know before booking, in a sentence."""
    warn: Callable[[Json, Json], tuple[str, ...]] = nothing_to_warn_of
    """What a holder should know of one booking, from the device's settings and what they chose.

    Said before it happens, such as “Your virtual machine is restarted at the start”. Offline; for
    values that are not valid it says nothing.
    """
    exclusive: tuple[str, ...] = ()
    """Parameters whose value one lease at a time can have at a site, such as a machine of the holder's own."""
    can_reshape: bool = False
    """Whether `reshape` can cut its devices into parts."""
    can_rehearse: bool = False
    """Whether `rehearse` can try a booking's files before the start."""
    sets_vlan: bool = False
    """Whether it gives a lease's device the VLAN that `LeaseOrder.links` names."""
    forwards: bool = False
    """Whether traffic passes through its devices from one cable to another, as through a switch."""
    source: ArtefactSlot | None = None
    """The source from which `build` can make the files, where the site has the compiler."""

    def deadline_of(self, verb: str) -> timedelta:
        """Return the hard time limit of a verb: its own, or a minute."""
        return self.deadlines.get(verb, timedelta(minutes=1))

    def check_settings(self, values: Json) -> tuple[Problem, ...]:
        """Return what is wrong with the settings, an entry per field; empty when they can work."""
        return _problems(self.settings, values)

    def check_attributes(self, values: Json) -> tuple[Problem, ...]:
        """Return what is wrong with the attributes, an entry per field."""
        return _problems(self.attributes, values)

    def check_parameters(self, values: Json, artefacts: Sequence[Artefact] = ()) -> tuple[Problem, ...]:
        """Return what is wrong with what the holder chose and gave, an entry per field."""
        problems = list(_problems(self.parameters, values))
        given = {artefact.name: artefact for artefact in artefacts}
        for slot in self.artefacts:
            artefact = given.pop(slot.name, None)
            if artefact is None:
                if slot.required:
                    problems.append(Problem(field=slot.name, message=f"{slot.title} is missing."))
            elif len(artefact.content) > slot.max_bytes:
                limit = slot.max_bytes // 1024
                problems.append(
                    Problem(field=slot.name, message=f"{slot.title} is larger than the {limit} KiB allowed.")
                )
        problems += [
            Problem(field=name, message=f"{self.title} takes no file called “{name}”.") for name in given
        ]
        return tuple(problems) or self.check_artefacts(values, artefacts)

    def schema_of(self, part: str) -> dict[str, Any]:
        """Return the JSON Schema of `settings`, `attributes` or `parameters`."""
        return _validator(getattr(self, part)).json_schema()


@cache
def _validator(shape: Hashable) -> TypeAdapter[Any]:
    # Made once: to make one costs a thousand times more than to use it.
    return TypeAdapter(cast(Any, shape))


def _problems(shape: type[Any], values: Json) -> tuple[Problem, ...]:
    try:
        _validator(cast(Hashable, shape)).validate_python(dict(values))
    except ValidationError as error:
        return tuple(
            Problem(field=".".join(str(step) for step in entry["loc"]), message=entry["msg"])
            for entry in error.errors(include_url=False, include_context=False)
        )
    return ()
