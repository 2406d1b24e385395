"""Into which slices (MIG) a model of card can be cut, and what is wrong with a wish.

The names, counts and places are those of NVIDIA's “Multi-Instance GPU User Guide” and of
`nvidia-smi mig -lgip` and `-lgipp`. At the site the card itself has the last word.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A kind of slice of one model."""

    name: str
    """As nvidia-smi prints it: `3g.40gb`, `1g.10gb+me`."""
    compute_slices: int
    memory_slices: int
    memory_gb: int
    max_count: int
    starts: tuple[int, ...]
    """The memory slices at which it may begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a slice lies on its card."""

    profile: str
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CuttableModel:
    """A model of card that can be cut, by the name that NVML gives it."""

    title: str
    pattern: re.Pattern[str]
    memory_slices: int
    profiles: tuple[Profile, ...]

    def profile(self, name: str) -> Profile | None:
        """Return the profile of that name, or None."""
        return next((profile for profile in self.profiles if profile.name == name), None)


def problems_of(model: str, profiles: Sequence[str]) -> tuple[str, ...]:
    """Return why a card of the model cannot be cut like that, in words for the operator; empty if it can.

    No profile at all means the whole card, which every card can be. Of models that are not known here
    only the spelling is judged: the card decides.
    """
    if not profiles:
        return ()
    known = cuttable_model(model)
    if known is None:
        if _NEVER.search(model):
            return (f"{model} cannot be cut into slices: it does not know MIG. Lend it whole.",)
        return tuple(
            f"“{name}” is no name of a slice. Write it as nvidia-smi mig -lgip does, such as 3g.40gb."
            for name in dict.fromkeys(profiles)
            if not _NAME.fullmatch(name)
        )
    offered = ", ".join(profile.name for profile in known.profiles)
    problems = [
        f"{known.title} has no slice “{name}”. It offers: {offered}."
        for name in dict.fromkeys(profiles)
        if known.profile(name) is None
    ]
    for name, count in Counter(profiles).items():
        profile = known.profile(name)
        if profile and count > profile.max_count:
            times = "once" if profile.max_count == 1 else f"{profile.max_count} times"
            problems.append(f"{name} fits at most {times} on {known.title}, and was asked for {count} times.")
    if not problems and place(known, profiles) is None:
        needed = sum(_of(known, name).memory_slices for name in profiles)
        problems.append(
            f"{' + '.join(profiles)} do not fit together on {known.title}: they need {needed} of its "
            f"{known.memory_slices} memory slices, or no free place is left where one of them may begin. "
            "Take a smaller or a different slice."
        )
    return tuple(problems)


def place(model: CuttableModel, profiles: Sequence[str]) -> tuple[Placement, ...] | None:
    """Return a place for each profile, in the order of the places; None when they do not fit."""
    wanted = [_of(model, name) for name in profiles]
    found = fit([(p.name, p.memory_slices, p.starts) for p in wanted], model.memory_slices)
    if found is None:
        return None
    return tuple(sorted(found, key=lambda placement: placement.start))


def fit(wanted: Sequence[tuple[str, int, Sequence[int]]], memory_slices: int) -> list[Placement] | None:
    """Find a place for each (name, size, possible starts) without overlap; None when there is none.

    The largest are placed first; among equals the last place is tried first, which keeps the
    beginning of the card free for larger ones.
    """
    ordered = sorted(wanted, key=lambda item: (-item[1], len(item[2])))

    def search(index: int, taken: int) -> list[Placement] | None:
        if index == len(ordered):
            return []
        name, size, starts = ordered[index]
        for start in sorted(starts, reverse=True):
            mask = ((1 << size) - 1) << start
            if start + size <= memory_slices and not mask & taken:
                rest = search(index + 1, taken | mask)
                if rest is not None:
                    return [Placement(profile=name, start=start, size=size), *rest]
        return None

    return search(0, 0)


def cuttable_model(model: str) -> CuttableModel | None:
    """Return the model that NVML calls so, such as “NVIDIA H100 80GB HBM3”; None when it is not known."""
    return next((known for known in MODELS if known.pattern.search(model)), None)


def profiles_of(model: str) -> tuple[Profile, ...]:
    """Return the slices into which a card of the model can be cut; empty when none are known."""
    known = cuttable_model(model)
    return known.profiles if known else ()


def profile_in(model: str) -> str:
    """Return the profile in the name of a slice: `1g.10gb` of “NVIDIA H100 80GB HBM3 MIG 1g.10gb”; or “”."""
    found = _NAME_AT_END.search(model)
    return found["profile"] if found else ""


def _of(model: CuttableModel, name: str) -> Profile:
    profile = model.profile(name)
    if profile is None:
        raise ValueError(f"{model.title} has no slice “{name}”.")
    return profile


_NAME = re.compile(r"(\d+c\.)?\d+g\.\d+gb([+-](me|gfx|me\.all))*")
_NAME_AT_END = re.compile(r"MIG (?P<profile>(\d+c\.)?\d+g\.\d+gb\S*)$")
# Cards that are met in testbeds and that have no MIG; what is on neither list is left to the card.
_NEVER = re.compile(
    r"\b(A2|A10|A16|A40|A10G|L2|L4|L20|L40|L40S|T4|T4G|V100\S*|P100\S*|P40|P4|K80|M60|TITAN\b.*|GeForce\b.*"
    r"|Quadro\b.*|RTX A\d+|RTX \d+)\b",
    re.IGNORECASE,
)


def _seven(title: str, pattern: str, *gb: int) -> CuttableModel:
    """A card of eight memory and seven compute slices; sizes in GB of 1, 2, 3 or 4, and 7 slices."""
    one, two, half, whole = gb

    def profile(name: str, compute: int, memory: int, size: int, count: int, starts: Sequence[int]) -> Profile:
        return Profile(
            name=name,
            compute_slices=compute,
            memory_slices=memory,
            memory_gb=size,
            max_count=count,
            starts=tuple(starts),
        )

    return CuttableModel(
        title=title,
        pattern=re.compile(pattern, re.IGNORECASE),
        memory_slices=8,
        profiles=(
            profile(f"1g.{one}gb", 1, 1, one, 7, range(7)),
            profile(f"1g.{one}gb+me", 1, 1, one, 1, range(7)),
            profile(f"1g.{two}gb", 1, 2, two, 4, (0, 2, 4, 6)),
            profile(f"2g.{two}gb", 2, 2, two, 3, (0, 2, 4)),
            profile(f"3g.{half}gb", 3, 4, half, 2, (0, 4)),
            profile(f"4g.{half}gb", 4, 4, half, 1, (0,)),
            profile(f"7g.{whole}gb", 7, 8, whole, 1, (0,)),
        ),
    )


def _four(title: str, pattern: str) -> CuttableModel:
    """The A30: four slices of each kind."""
    sizes = (
        ("1g.6gb", 1, 6, 4, (0, 1, 2, 3)),
        ("1g.6gb+me", 1, 6, 1, (0, 1, 2, 3)),
        ("2g.12gb", 2, 12, 2, (0, 2)),
        ("2g.12gb+me", 2, 12, 1, (0, 2)),
        ("4g.24gb", 4, 24, 1, (0,)),
    )
    return CuttableModel(
        title=title,
        pattern=re.compile(pattern, re.IGNORECASE),
        memory_slices=4,
        profiles=tuple(
            Profile(
                name=name,
                compute_slices=slices,
                memory_slices=slices,
                memory_gb=size,
                max_count=count,
                starts=starts,
            )
            for name, slices, size, count, starts in sizes
        ),
    )


MODELS: tuple[CuttableModel, ...] = (
    _four("A30", r"\bA30\b"),
    _seven("A100 40GB", r"\bA[18]00\b.*40GB", 5, 10, 20, 40),
    _seven("A100 80GB", r"\bA[18]00\b.*80GB", 10, 20, 40, 80),
    _seven("H100 NVL 94GB", r"\bH100\b.*(NVL|94GB)", 12, 24, 47, 94),
    _seven("H100 96GB", r"\bGH200\b.*(480|120|96)G|\bH100\b.*96GB|\bH20\b", 12, 24, 48, 96),
    _seven("H100 80GB", r"\bH[18]00\b.*(80GB|PCIe|SXM)", 10, 20, 40, 80),
    _seven("H200 141GB", r"\bH200\b", 18, 35, 71, 141),
    _seven("B300", r"\bB300\b", 34, 67, 135, 269),
    _seven("GB200", r"\bGB200\b", 23, 47, 93, 186),
    _seven("B200", r"\bB200\b", 23, 45, 90, 180),
)
