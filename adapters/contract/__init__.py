"""All that the portal, the sites and the adapters share: values, descriptions, signed messages."""

from adapters.contract.adapter import Adapter, Secrets
from adapters.contract.description import AdapterDescription, ArtefactSlot
from adapters.contract.values import (
    Access,
    AccessFile,
    Artefact,
    Check,
    CleanProof,
    Endpoint,
    FoundDevice,
    Holder,
    Json,
    LeaseOrder,
    Link,
    Observation,
    Problem,
    Rehearsal,
    Target,
    UseBlock,
)

__all__ = [
    "Access",
    "AccessFile",
    "Adapter",
    "AdapterDescription",
    "Artefact",
    "ArtefactSlot",
    "Check",
    "CleanProof",
    "Endpoint",
    "FoundDevice",
    "Holder",
    "Json",
    "LeaseOrder",
    "Link",
    "Observation",
    "Problem",
    "Rehearsal",
    "Secrets",
    "Target",
    "UseBlock",
]
