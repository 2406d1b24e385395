"""What a site's worker reads at its start: one TOML file, named by SHARY_SITE_CONFIG."""

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adapters.contract.wire import private_key, public_key
from adapters.errors import InvalidSettings


class BadConfig(Exception):
    """The site's configuration file cannot work; the message names the field and the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient the site is."""

    start_grace_s: float = 900.0
    """How long after the start the site goes on trying to get the device ready."""
    release_attempts: int = 8
    """After so many attempts at cleaning, the hub is told that the device could not be proven clean."""
    backoff_s: float = 1.0
    backoff_max_s: float = 60.0
    drift_limit: int = 3
    """How often a device that lost its lease is set up again within that lease."""

    def wait_after(self, attempts: int) -> float:
        """Return the seconds to wait after so many failed attempts in a row."""
        return min(self.backoff_s * 2.0 ** max(0, min(attempts - 1, 20)), self.backoff_max_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSecrets:
    """The secrets of the site's devices, by name, as values or as files."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict)

    def read(self, name: str) -> str:
        """Return the secret; raise `InvalidSettings` when the site has none of that name."""
        if name in self.values:
            return self.values[name]
        try:
            return Path(self._file(name)).read_text().rstrip("\n")
        except OSError as error:
            raise InvalidSettings(
                f"The secret “{name}” cannot be read from {self.files[name]}: {error.strerror}."
                " Mend the file or its permissions at the site."
            ) from error

    def path(self, name: str) -> str:
        """Return the path of a file that holds the secret, for libraries that want files."""
        if name not in self.values:
            return self._file(name)
        return _file_holding(self.values[name])

    def _file(self, name: str) -> str:
        if name not in self.files:
            raise InvalidSettings(
                f"This site has no secret called “{name}”."
                " Add it under [secrets] in the site's configuration file."
            )
        return self.files[name]


@cache
def _file_holding(text: str) -> str:
    # In memory where that is possible: it is gone with the process, however the process ends.
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("shary-secret")
        os.write(handle, text.encode())
        return f"/proc/{os.getpid()}/fd/{handle}"
    handle, path = tempfile.mkstemp(prefix="shary-secret-")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A site's configuration."""

    site: str
    broker_url: str
    hub_public_key: str
    private_key_file: Path
    state_dir: Path
    secrets: SiteSecrets = field(default_factory=SiteSecrets)
    extra_adapters: Mapping[str, str] = field(default_factory=dict)
    """Adapters of the site's own, by name: `module:Class`."""
    children: int = 8
    """How many calls to devices run at the same time."""
    child_memory_mib: int = 2048
    watch_period_s: float = 60.0
    watch_refresh_s: float = 600.0
    """How often an unchanged observation is reported all the same."""
    use_period_s: float = 15.0
    """How often a device is looked at while a lease has it open; idle ones keep `watch_period_s`."""
    use_report_s: float = 300.0
    """How often the hub is told what leases make of their devices."""
    alive_period_s: float = 5.0
    report_retry_s: float = 1.0
    """The first wait when the broker is away; it doubles up to half a minute."""
    stop_grace_s: float = 3.0
    """How long a stopping worker waits for the calls under way."""
    policy: Policy = field(default_factory=Policy)

    @property
    def queue(self) -> str:
        """The queue that carries the hub's orders for this site."""
        return f"site.{self.site}"

    @property
    def journal_file(self) -> Path:
        """The file of the journal."""
        return self.state_dir / "journal.sqlite3"

    def hub_key(self) -> Ed25519PublicKey:
        """Return the key that every order must be signed with."""
        return public_key(self.hub_public_key)

    def own_key(self) -> Ed25519PrivateKey:
        """Return the key that signs this site's reports."""
        return private_key(self.private_key_file.read_text().strip())


_NUMBERS = (
    "children",
    "child_memory_mib",
    "watch_period_s",
    "watch_refresh_s",
    "use_period_s",
    "use_report_s",
    "alive_period_s",
    "report_retry_s",
    "stop_grace_s",
)
_POLICY = ("start_grace_s", "release_attempts", "backoff_s", "backoff_max_s", "drift_limit")
_WHOLE = {"children", "child_memory_mib", "release_attempts", "drift_limit"}
_OTHER = {
    "site",
    "broker_url",
    "hub_public_key",
    "private_key_file",
    "state_dir",
    "secrets",
    "extra_adapters",
    "policy",
}


def load_config(path: str | Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the site's configuration; raise `BadConfig` when it cannot work."""
    name = path or environ.get("SHARY_SITE_CONFIG")
    if not name:
        raise BadConfig("No configuration: set SHARY_SITE_CONFIG to the path of the site's TOML file.")
    file = Path(name)
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise BadConfig(f"The configuration {file} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"The configuration {file} is not valid TOML: {error}.") from error
    return read_config(content, folder=file.resolve().parent, environ=environ)


def read_config(content: Mapping[str, Any], *, folder: Path, environ: Mapping[str, str]) -> Config:
    """Return the configuration that a parsed TOML file describes; relative paths start at `folder`."""
    unknown = sorted(set(content) - _OTHER - set(_NUMBERS))
    if unknown:
        raise BadConfig(
            f"“{unknown[0]}” is no field of the site's configuration; remove it or mend its spelling."
        )
    site = _text(content, "site", "the site's short name, as the hub lists it")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", site):
        raise BadConfig(f"site: “{site}” is no slug; use lower-case letters, digits and hyphens.")
    broker_url = environ.get("CELERY_BROKER_URL") or _text(
        content, "broker_url", "the address of the broker, or set CELERY_BROKER_URL"
    )
    hub_public_key = _text(
        content, "hub_public_key", "the hub's public key, shown on the site's page at the hub"
    )
    try:
        public_key(hub_public_key)
    except ValueError as error:
        raise BadConfig(
            "hub_public_key: not an Ed25519 key; copy it again from the hub's site page."
        ) from error
    key_file = folder / _text(content, "private_key_file", "the file that holds the site's private key")
    try:
        private_key(key_file.read_text().strip())
    except OSError as error:
        raise BadConfig(
            f"private_key_file: {key_file} cannot be read ({error.strerror});"
            " make a key with `python -m site_worker --new-key FILE`."
        ) from error
    except ValueError as error:
        raise BadConfig(
            f"private_key_file: {key_file} holds no Ed25519 key;"
            " make one with `python -m site_worker --new-key FILE`."
        ) from error
    return Config(
        site=site,
        broker_url=broker_url,
        hub_public_key=hub_public_key,
        private_key_file=key_file,
        state_dir=folder / _text(content, "state_dir", "the folder that keeps the journal"),
        secrets=_secrets(content.get("secrets", {}), folder),
        extra_adapters=_extra_adapters(content.get("extra_adapters", {})),
        policy=Policy(**_numbers(content.get("policy", {}), _POLICY, "policy.")),
        **_numbers(content, _NUMBERS, ""),
    )


def _text(content: Mapping[str, Any], name: str, meaning: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise BadConfig(f"{name}: missing; give {meaning}.")
    return value


def _numbers(content: Mapping[str, Any], names: tuple[str, ...], prefix: str) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise BadConfig(f"{prefix.rstrip('.')}: must be a table of numbers.")
    if prefix and (unknown := sorted(set(content) - set(names))):
        raise BadConfig(f"{prefix}{unknown[0]}: no such field; known are {', '.join(names)}.")
    found: dict[str, Any] = {}
    for name in names:
        if name not in content:
            continue
        value = content[name]
        kinds = (int,) if name in _WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value <= 0:
            kind = "a whole number" if name in _WHOLE else "a number"
            raise BadConfig(f"{prefix}{name}: must be {kind} above zero, not {value!r}.")
        found[name] = value
    return found


def _secrets(table: Any, folder: Path) -> SiteSecrets:
    values: dict[str, str] = {}
    files: dict[str, str] = {}
    if not isinstance(table, dict):
        raise BadConfig("secrets: must be a table of names.")
    for name, entry in table.items():
        if isinstance(entry, str):
            values[name] = entry
        elif isinstance(entry, dict) and isinstance(entry.get("file"), str) and len(entry) == 1:
            files[name] = str(folder / entry["file"])
        else:
            raise BadConfig(f'secrets.{name}: give the secret as text, or as {{ file = "path" }}.')
    return SiteSecrets(values=values, files=files)


def _extra_adapters(table: Any) -> dict[str, str]:
    if not isinstance(table, dict):
        raise BadConfig('extra_adapters: must be a table: name = "module:Class".')
    for name, entry in table.items():
        if not isinstance(entry, str) or entry.count(":") != 1:
            raise BadConfig(f'extra_adapters.{name}: must be written as "module:Class".')
    return dict(table)
