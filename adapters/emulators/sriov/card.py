"""What an emulated card remembers, what it forgets when the machine starts again, and its shape in sysfs."""

import json
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

HOME = ""
"""The namespace in which the machine's own interfaces are."""
MARK_LIMIT = 127


@dataclass(kw_only=True)
class VirtualFunction:
    """A virtual function as its driver makes it: open, untagged, without a cap."""

    mac: str = "00:00:00:00:00:00"
    vlan: int = 0
    qos: int = 0
    min_rate: int = 0
    max_rate: int = 0
    spoof_check: int = 1
    trust: int = 0
    query_rss: int = 0
    link: int = 0
    sent: int = 0


@dataclass(kw_only=True)
class Interface:
    """The interface of a virtual function."""

    index: int
    name: str
    mac: str
    pci: str
    namespace: str = HOME
    alias: str = ""
    other_names: list[str] = field(default_factory=list)
    flags: int = 0


@dataclass(kw_only=True)
class PortFunction:
    """A subfunction behind a devlink port."""

    mac: str = "00:00:00:00:00:00"
    active: bool = False


class EmulatedCard:
    """One physical function with what belongs to it."""

    def __init__(
        self,
        *,
        name: str = "ens1f0",
        functions: int = 4,
        possible: int = 8,
        unreported: Collection[str] = (),
        unsupported: Collection[str] = (),
        eswitch: str = "legacy",
        ports: Collection[int] = (32768,),
        namespaces: Collection[str] = (),
        speed_mbps: int = 100_000,
        state: Path | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.name, self.pci, self.index, self.mac = name, "0000:65:00.0", 4, "b8:ce:f6:00:00:10"
        self.possible, self.speed_mbps = possible, speed_mbps
        self.unreported, self.unsupported = frozenset(unreported), frozenset(unsupported)
        self.eswitch = eswitch
        self.namespaces = [HOME, *namespaces]
        self.changes = 0
        self._at_boot = (functions, tuple(ports))
        kept = json.loads(state.read_text()) if state is not None and state.exists() else None
        self._state = state
        self.reboot()
        if kept is not None:
            self._load(kept)

    def reboot(self) -> None:
        """Forget what a kernel forgets; the machine's own start-up makes the functions anew."""
        with self.lock:
            functions, ports = self._at_boot
            self.other_names: list[str] = []
            self.ports = {index: PortFunction() for index in ports}
            self.make_functions(functions)

    def make_functions(self, count: int) -> None:
        """Do what writing `sriov_numvfs` does: all functions are new."""
        with self.lock:
            self.functions = [VirtualFunction() for _ in range(count)]
            self.interfaces = [
                Interface(
                    index=10 + vf, name=f"{self.name}v{vf}", mac=f"b8:ce:f6:00:01:{vf:02x}", pci=self.pci_of(vf)
                )
                for vf in range(count)
            ]
            self.changed()

    def pci_of(self, vf: int) -> str:
        """Return the PCI address of a virtual function."""
        return f"0000:65:{1 + vf // 8:02x}.{vf % 8}"

    def changed(self) -> None:
        """Count a change and write the state down."""
        self.changes += 1
        if self._state is None:
            return
        kept = {
            "functions": [asdict(function) for function in self.functions],
            "interfaces": [asdict(interface) for interface in self.interfaces],
            "ports": {str(index): asdict(port) for index, port in self.ports.items()},
            "other_names": self.other_names,
        }
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(kept))
        part.replace(self._state)

    def _load(self, kept: dict[str, object]) -> None:
        shapes = TypeAdapter(_Kept).validate_python(kept)
        self.functions, self.interfaces = shapes.functions, shapes.interfaces
        self.ports, self.other_names = shapes.ports, shapes.other_names

    def send(self, unit: str, source: str) -> str:
        """Let a function send a frame; return what became of it, as the wire behind the card sees it."""
        with self.lock:
            if unit.startswith("port"):
                port = self.ports.get(int(unit.removeprefix("port")))
                return "sent vlan=0" if port and port.active and port.mac == source else "dropped"
            vf = int(unit.removeprefix("vf"))
            if vf >= len(self.functions) or self.functions[vf].link == 2:
                return "dropped: no link"
            function = self.functions[vf]
            if function.spoof_check and source != function.mac:
                return "dropped: not its address"
            function.sent += 64
            return f"sent vlan={function.vlan}"

    def write_sysfs(self, root: Path) -> None:
        """Write the folders in which sysfs would show the card."""
        device = root / "bus" / "pci" / "devices" / self.pci
        driver = root / "bus" / "pci" / "drivers" / "mlx5_core"
        net = root / "class" / "net" / self.name
        for folder in (device, driver, net):
            folder.mkdir(parents=True, exist_ok=True)
        _link(device / "driver", "../../drivers/mlx5_core")
        _link(net / "device", f"../../../bus/pci/devices/{self.pci}")
        (net / "speed").write_text(f"{self.speed_mbps}\n")
        (device / "vendor").write_text("0x15b3\n")
        (device / "device").write_text("0x101d\n")
        (device / "sriov_totalvfs").write_text(f"{self.possible}\n")
        for vf in range(self.possible):
            (root / "bus" / "pci" / "devices" / self.pci_of(vf)).mkdir(exist_ok=True)
            _link(device / f"virtfn{vf}", f"../{self.pci_of(vf)}")


@dataclass(kw_only=True)
class _Kept:
    functions: list[VirtualFunction]
    interfaces: list[Interface]
    ports: dict[int, PortFunction]
    other_names: list[str]


def _link(path: Path, target: str) -> None:
    if not path.is_symlink():
        path.symlink_to(target)
