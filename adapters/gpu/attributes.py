"""What a user can search for in a graphics card, whichever adapter lends it."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from adapters.pci import normal_form

_STRICT = ConfigDict(extra="forbid")

PciAddress = Annotated[str, AfterValidator(normal_form)]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class GpuAttributes:
    """What a user can search for."""

    model: Annotated[str, Field(title="Model", min_length=1, description="Such as NVIDIA H100 80GB HBM3.")]
    memory_gib: Annotated[float | None, Field(title="Memory in GiB", gt=0)] = None
    cards: Annotated[int, Field(title="Number of cards", ge=1)] = 1
    pci: Annotated[PciAddress | None, Field(title="PCI address")] = None
    uuid: Annotated[str | None, Field(title="UUID", max_length=120)] = None
    cuda_cores: Annotated[int | None, Field(title="CUDA cores", gt=0)] = None
    relative_speed: Annotated[
        float | None, Field(title="Relative speed", gt=0, description="1 is the site's slowest card.")
    ] = None
