"""Runs the emulated machine until it is told to stop."""

import argparse
from dataclasses import replace

from adapters.emulators.gpu_ssh.emulator import GpuHostEmulator
from adapters.emulators.linux_host.command_line import common, parser_for, serve
from adapters.emulators.lxd.nouns import HostCard
from adapters.pci import normal_form


def _card(text: str) -> HostCard:
    address, _, rest = text.partition("=")
    model, _, memory_mib = rest.partition("=")
    try:
        pci = normal_form(address)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    card = HostCard(pci=pci, model=model) if model else HostCard(pci=pci)
    return replace(card, memory_mib=int(memory_mib)) if memory_mib else card


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = parser_for("adapters.emulators.gpu_ssh", name="gpu-emulator", description=__doc__)
    parser.add_argument("--gpu", type=_card, action="append", default=[], metavar="PCI=MODEL=MIB")
    wishes = parser.parse_args()
    machine = GpuHostEmulator(cards=wishes.gpu, **common(wishes))
    serve(machine, title="GPU host emulator", has=f"{len(wishes.gpu)} cards")


if __name__ == "__main__":
    main()
