"""What sysfs says of a card: addresses on the PCI bus, drivers, speeds. Read only, never written.

`sriov_numvfs` above all: writing it takes all functions from all their holders.
"""

from pathlib import Path


class Sysfs:
    """A card's folder in sysfs."""

    def __init__(self, root: str, card: str) -> None:
        self._net = Path(root) / "class" / "net"
        self._card = self._net / card
        self._device = self._card / "device"

    @property
    def model(self) -> str:
        """Return maker and product as PCI numbers them, such as `15b3:101d`."""
        maker, product = self._read("vendor"), self._read("device")
        return f"{maker.removeprefix('0x')}:{product.removeprefix('0x')}" if maker and product else ""

    @property
    def driver(self) -> str:
        """Return the name of the card's driver."""
        return _target(self._device / "driver")

    @property
    def speed_gbps(self) -> int:
        """Return the port's speed, 0 when it is unknown or the link is down."""
        try:
            return max(int((self._card / "speed").read_text()) // 1000, 0)
        except (OSError, ValueError):
            return 0

    @property
    def possible_functions(self) -> int:
        """Return how many virtual functions the card could have."""
        try:
            return int(self._read("sriov_totalvfs"))
        except ValueError:
            return 0

    def pci_of(self, vf: int) -> str:
        """Return the PCI address of a virtual function, empty when sysfs does not know it."""
        return _target(self._device / f"virtfn{vf}")

    def interface_of(self, vf: int) -> str:
        """Return the interface of a virtual function, empty when it is not in this namespace or has none."""
        try:
            return min((entry.name for entry in (self._device / f"virtfn{vf}" / "net").iterdir()), default="")
        except OSError:
            return ""

    def _read(self, name: str) -> str:
        try:
            return (self._device / name).read_text().strip()
        except OSError:
            return ""


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:
        return ""
