"""The real LXD daemon, as Debian packages it, with graphics cards that are only files."""

from tests.daemons.lxd.daemon import A100, H100, LxdDaemon, what_is_missing

__all__ = ["A100", "H100", "LxdDaemon", "what_is_missing"]
