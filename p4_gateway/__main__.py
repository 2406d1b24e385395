"""`python -m p4_gateway FILE`: serve until told to stop."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from p4_gateway.config import BadConfig, read_config
from p4_gateway.gateway import Gateway


async def serve(file: Path) -> None:
    """Serve what the file says until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Gateway(read_config(file)):
        await stop.wait()


def main() -> int:
    """Run the gateway; say in a line why it cannot."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if len(sys.argv) != 2:
        sys.stderr.write("Say which file has the settings: python -m p4_gateway gateway.toml\n")
        return 2
    try:
        asyncio.run(serve(Path(sys.argv[1])))
    except (BadConfig, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
