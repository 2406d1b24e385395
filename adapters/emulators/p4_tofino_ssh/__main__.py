"""Runs the emulated control processor until it is told to stop."""

from adapters.emulators.linux_host.command_line import common, parser_for, serve
from adapters.emulators.p4_tofino_ssh.emulator import TofinoEmulator


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = parser_for("adapters.emulators.p4_tofino_ssh", name="tofino-emulator", description=__doc__)
    parser.add_argument("--tenant", action="append", default=[], metavar="ACCOUNT")
    wishes = parser.parse_args()
    switch = TofinoEmulator(tenants=wishes.tenant, **common(wishes))
    serve(switch, title="Tofino emulator", has=f"{len(wishes.tenant)} tenants")


if __name__ == "__main__":
    main()
