"""A worker process of a site without Celery: quick to start, and the broker takes nothing from it."""

import signal
import sys
import threading
from collections.abc import Sequence

from site_worker.config import load_config
from site_worker.site import Site


def refuse(sealed: Sequence[str]) -> None:
    raise ConnectionError("There is no broker.")


def main() -> None:
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    site = Site(config=load_config(sys.argv[1]), publish=refuse)
    site.start()
    told_to_stop.wait()
    site.finish_stop(10)


if __name__ == "__main__":
    main()
