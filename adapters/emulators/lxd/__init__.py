"""An emulated LXD server: the real API over HTTPS, real ssh into its instances, no containers.

    python -m adapters.emulators.lxd --listen 127.0.0.1:8443 --trust client.crt \\
        --gpu "0000:65:00.0=NVIDIA H100 80GB HBM3" --certificate ./lxd

In a test: `with LxdEmulator(trust=[client_certificate], cards=[HostCard(pci="0000:65:00.0")]) as lxd`.
"""

from adapters.emulators.lxd.certificates import Pair, self_signed
from adapters.emulators.lxd.emulator import LxdEmulator
from adapters.emulators.lxd.faults import Fault
from adapters.emulators.lxd.nouns import HostCard, Instance, Profile

__all__ = ["Fault", "HostCard", "Instance", "LxdEmulator", "Pair", "Profile", "self_signed"]
