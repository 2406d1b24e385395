"""An emulated machine with graphics cards behind ssh: the host's own program, on accounts that are none.

    python -m adapters.emulators.gpu_ssh --listen 127.0.0.1:2222 --trust worker.pub \\
        --gpu "0000:65:00.0=NVIDIA H100 80GB HBM3" --certificate ./gpu-host

In a test: `with GpuHostEmulator(trust=[public_key], cards=[HostCard(pci="0000:65:00.0")]) as machine`.
"""

from adapters.emulators.gpu_ssh.emulator import GpuHostEmulator
from adapters.emulators.gpu_ssh.system import EmulatedSystem
from adapters.emulators.lxd.nouns import HostCard

__all__ = ["EmulatedSystem", "GpuHostEmulator", "HostCard"]
