"""Starts a site's worker: `python -m site_worker --config FILE`."""

import argparse
import os
import sys
from pathlib import Path

from adapters.contract.wire import new_key, private_key, public_text
from site_worker.config import BadConfig, load_config


def main() -> None:
    """Check the configuration, then become the Celery worker of the site's queue."""
    parser = argparse.ArgumentParser(prog="python -m site_worker", description=__doc__)
    parser.add_argument("--config", help="the site's TOML file; else SHARY_SITE_CONFIG names it")
    parser.add_argument("--check", action="store_true", help="only read the configuration")
    parser.add_argument(
        "--new-key", metavar="FILE", help="make the site's private key and show its public half"
    )
    parser.add_argument("--loglevel", default="INFO")
    chosen = parser.parse_args()
    if chosen.new_key:
        _make_key(Path(chosen.new_key))
        return
    try:
        config = load_config(chosen.config)
    except BadConfig as error:
        sys.exit(str(error))
    if chosen.check:
        sys.stdout.write(f"The configuration of the site “{config.site}” is complete.\n")
        return
    if chosen.config:
        os.environ["SHARY_SITE_CONFIG"] = str(Path(chosen.config).resolve())
    root = str(Path(__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "site_worker.app", "worker"]
    command += ["-P", "threads", "-c", "2", "-Q", config.queue, "-n", f"{config.queue}.{os.getpid()}@%h"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", chosen.loglevel]
    os.execv(sys.executable, command)  # noqa: S606  # the worker takes this process's place


def _make_key(file: Path) -> None:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"{file} exists already; a key is never overwritten. Choose another name.")
    text = new_key()
    with os.fdopen(handle, "w") as out:
        out.write(text + "\n")
    sys.stdout.write(f"{public_text(private_key(text))}\n")


if __name__ == "__main__":
    main()
