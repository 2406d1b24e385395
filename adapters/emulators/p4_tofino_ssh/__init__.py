"""An emulated control processor of a Tofino switch: the host's own program, on accounts that are none.

    python -m adapters.emulators.p4_tofino_ssh --listen 127.0.0.1:2222 --trust worker.pub \\
        --tenant tenant-a --tenant tenant-b --certificate ./switch

In a test: `with TofinoEmulator(trust=[public_key], tenants=["tenant-a"]) as switch`.
"""

from adapters.emulators.p4_tofino_ssh.emulator import TofinoEmulator
from adapters.emulators.p4_tofino_ssh.system import EmulatedSwitch

__all__ = ["EmulatedSwitch", "TofinoEmulator"]
