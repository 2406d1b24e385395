"""A small program of our own, as P4 source and as what the switch takes: forward by MAC or IPv4."""

from pathlib import Path

_FOLDER = Path(__file__).parent
P4INFO = _FOLDER / "forward.p4info.txtpb"
DEVICE_CONFIG = _FOLDER / "forward.json"
