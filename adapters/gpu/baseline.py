"""How a card was when its operator accepted it: what each lease has to leave behind again."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")

ComputeMode = Literal["default", "exclusive_thread", "prohibited", "exclusive_process"]
ClockRange = Annotated[tuple[int, int], Field(description="Lowest and highest, in MHz.")]
_Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ErrorCounters:
    """How often a card's memory has failed; None where the card does not count."""

    ecc_uncorrected_aggregate: Annotated[_Count | None, Field(title="Uncorrectable errors, ever")] = None
    ecc_uncorrected_volatile: Annotated[
        _Count | None,
        Field(title="Uncorrectable errors since the driver was loaded", description="Goes back to 0 then."),
    ] = None
    retired_pages: Annotated[_Count | None, Field(title="Retired pages")] = None
    remapped_rows_uncorrectable: Annotated[_Count | None, Field(title="Rows remapped for errors")] = None
    remapped_rows_correctable: Annotated[_Count | None, Field(title="Rows remapped as a precaution")] = None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class CardBaseline:
    """A card's settings and counters to compare with. What is None is not compared."""

    uuid: Annotated[str | None, Field(title="UUID", max_length=120)] = None
    vbios: Annotated[str | None, Field(title="VBIOS", max_length=40)] = None
    driver_binding: Annotated[
        str | None, Field(title="Kernel driver", max_length=40, description="The driver that has the card.")
    ] = None
    compute_mode: Annotated[ComputeMode | None, Field(title="Compute mode")] = None
    mig_enabled: Annotated[bool | None, Field(title="MIG is on")] = None
    geometry: Annotated[
        tuple[str, ...] | None,
        Field(title="Slices", description="Profile names such as 3g.40gb, in the order of their places."),
    ] = None
    ecc_enabled: Annotated[bool | None, Field(title="ECC is on")] = None
    persistence: Annotated[bool | None, Field(title="Persistence mode is on")] = None
    power_limit_w: Annotated[float | None, Field(title="Power limit in W", gt=0)] = None
    application_graphics_mhz: Annotated[int | None, Field(title="Application clock, graphics", gt=0)] = None
    application_memory_mhz: Annotated[int | None, Field(title="Application clock, memory", gt=0)] = None
    locked_graphics_mhz: Annotated[
        ClockRange | None,
        Field(title="Locked clocks, graphics", description="NVML cannot read them; empty: not locked."),
    ] = None
    locked_memory_mhz: Annotated[ClockRange | None, Field(title="Locked clocks, memory")] = None
    errors: Annotated[ErrorCounters, Field(title="Errors so far")] = ErrorCounters()
    taken_at: Annotated[
        AwareDatetime | None,
        Field(title="Taken at", description="What the kernel's log says of older errors is left out."),
    ] = None

    def as_settings(self) -> dict[str, Any]:
        """Return it as it stands in an adapter's settings: plain values, without those that are not known."""
        values: dict[str, Any] = _FORM.dump_python(self, mode="json", exclude_none=True)
        return values


_FORM: TypeAdapter[CardBaseline] = TypeAdapter(CardBaseline)
