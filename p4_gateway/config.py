"""What the operator says about the gateway, in one TOML file."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadConfig(Exception):
    """The file cannot work; the words say which line and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The gateway's settings."""

    state_dir: Path
    """Grants, keys and the authority that signs the holders' certificates; for nobody else's eyes."""
    listen: str = "0.0.0.0:9560"
    """Where holders connect."""
    public_host: str = "localhost"
    """The name that holders type; it stands in the gateway's certificate."""
    public_port: int = 0
    """What holders type, when a firewall forwards another port; 0: the one listened on."""
    control: Path | None = None
    """The socket on which the site's worker speaks to the gateway; its folder's rights are the guard."""

    @property
    def control_socket(self) -> Path:
        """Return where the control socket lies."""
        return self.control or self.state_dir / "control.sock"


def read_config(file: Path) -> Config:
    """Return what the file says; raise `BadConfig` that names what is wrong."""
    try:
        values: dict[str, Any] = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{file} cannot be read: {error}") from error
    known = {"state_dir": Path, "listen": str, "public_host": str, "public_port": int, "control": Path}
    for name, value in values.items():
        if name not in known:
            raise BadConfig(f"{file}: there is no setting “{name}”. There are: {', '.join(known)}.")
        wanted = int if known[name] is int else str
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BadConfig(f"{file}: “{name}” has to be {'a number' if wanted is int else 'a text'}.")
        if known[name] is Path:
            values[name] = (file.parent / str(value)).resolve()
    if "state_dir" not in values:
        raise BadConfig(f"{file}: say in “state_dir” in which folder the gateway keeps its grants.")
    return Config(**values)
