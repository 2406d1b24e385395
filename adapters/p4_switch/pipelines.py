"""The programs that we push, each marked with the lease it belongs to.

The mark is an annotation in the P4Info, which the switch gives back: `@shary_lease("…", epoch, …)`.
So a look at the switch tells which lease it carries, and nothing has to be remembered elsewhere.
The cookie is derived from the mark and the program: it proves that both arrived whole.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

from finsy.proto import p4i, p4r
from google.protobuf import message, text_format

from adapters.contract import LeaseOrder
from adapters.errors import DeviceRefused
from adapters.p4_switch.election import ElectionId
from adapters.p4_switch.parking import drop_all

State = Literal["trying", "prepared", "open", "isolated"]
"""`trying`: the holder's program for a moment, to see that the switch takes it; `prepared` and
`isolated`: parked for the lease, before its start and after its end; `open`: the holder's program."""

_PARKED = "@shary_parked"
_MARK = re.compile(
    r'@shary_lease\("(?P<lease>[^"]{1,100})", (?P<epoch>\d{1,20}), '
    r'"(?P<state>trying|prepared|open|isolated)", (?P<high>\d{1,20}), (?P<low>\d{1,20})\)'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a switch says about the lease that it carries."""

    lease_id: str
    epoch: int
    state: State
    holder: ElectionId
    """The first of the election ids that the holder was told to use."""

    def __str__(self) -> str:
        return (
            f'@shary_lease("{self.lease_id}", {self.epoch}, "{self.state}", '
            f"{self.holder.high}, {self.holder.low})"
        )


def mark_of(config: Any | None) -> Mark | None:
    """Return the mark of what a switch runs, or None."""
    for annotation in config.p4info.pkg_info.annotations if config is not None else ():
        if found := _MARK.fullmatch(annotation):
            return Mark(
                lease_id=found["lease"],
                epoch=int(found["epoch"]),
                state=found["state"],  # type: ignore[arg-type]  # the pattern allows no other
                holder=ElectionId(int(found["high"]), int(found["low"])),
            )
    return None


def parked(architecture: str, mark: Mark | None = None) -> p4r.ForwardingPipelineConfig:
    """Return the program that drops everything: for a lease, or for nobody."""
    package = p4i.PkgInfo(name="shary-parking", arch=architecture.rpartition("_")[2])
    return _marked(p4i.P4Info(pkg_info=package), drop_all(architecture), str(mark) if mark else _PARKED)


def is_parked(config: Any | None) -> bool:
    """Say whether the switch runs our drop-all program for nobody."""
    return config is not None and _PARKED in config.p4info.pkg_info.annotations


def holders_program(order: LeaseOrder, mark: Mark) -> p4r.ForwardingPipelineConfig:
    """Return the program that the holder gave, marked."""
    p4info, device_config = order.artefact("p4info"), order.artefact("device_config")
    if p4info is None or device_config is None:
        raise DeviceRefused("A P4 switch needs a P4Info and a device configuration: the order lacks one.")
    return _marked(parsed_p4info(p4info.content), device_config.content, str(mark))


def parsed_p4info(content: bytes) -> p4i.P4Info:
    """Return the P4Info from its text or its binary form; it was inspected before."""
    p4info = p4i.P4Info()
    try:
        try:
            text_format.Parse(content.decode(), p4info)
        except (text_format.ParseError, UnicodeDecodeError):
            p4info.Clear()
            p4info.ParseFromString(content)
    except message.DecodeError as error:
        raise DeviceRefused("The P4Info is neither text nor binary P4Info.") from error
    return p4info


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a program or P4Info in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of_p4info(p4info: Any) -> str:
    """Return the SHA-256 of a P4Info, whichever way it was written down."""
    return digest_of(p4info.SerializeToString(deterministic=True))


def _marked(p4info: p4i.P4Info, device_config: bytes, mark: str) -> p4r.ForwardingPipelineConfig:
    p4info.pkg_info.annotations.append(mark)
    text = f"{mark}\n{digest_of_p4info(p4info)}\n{digest_of(device_config)}"
    cookie = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return p4r.ForwardingPipelineConfig(
        p4info=p4info,
        p4_device_config=device_config,
        cookie=p4r.ForwardingPipelineConfig.Cookie(cookie=cookie),
    )
