"""A BlueField card with its BMC: what it remembers and what it forgets."""

import hashlib
import hmac
import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOCKOUT_AFTER = 10
LOCKOUT_S = 600
SESSION_TIMEOUT_S = 1800
EXTERNAL_PRIVILEGES = (
    "HostPrivFlashAccess",
    "HostPrivFwUpdate",
    "HostPrivNicReset",
    "HostPrivNvGlobal",
    "HostPrivNvHost",
    "HostPrivNvInternalCpu",
    "HostPrivNvPort",
    "HostPrivPccUpdate",
)
PRIVILEGES = {
    "Administrator": {"Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"},
    "Operator": {"Login", "ConfigureSelf", "ConfigureComponents"},
    "ReadOnly": {"Login", "ConfigureSelf"},
    "NoAccess": set[str](),
}


@dataclass
class Account:
    """One who may log in at the BMC."""

    name: str
    role: str
    enabled: bool
    salt: str
    digest: str
    failures: int = 0
    locked_until: float = 0.0

    @property
    def locked(self) -> bool:
        """Say whether too many wrong passwords have closed the account for a while."""
        return time.time() < self.locked_until

    def has_password(self, password: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.digest, digest_of(password, self.salt))


@dataclass
class Session:
    """One who is logged in. Kept in memory only: a reboot ends it."""

    id: str
    token: str
    username: str
    last_used: float


@dataclass
class Card:
    """The state of one card. `Bios` and mode changes wait for a reboot, as on the real one."""

    generation: int = 3
    firmware: str = "BF-26.01-3"
    serial: str = "MT2334XZ0LX7"
    mode: str = "DpuMode"
    pending_mode: str | None = None
    arm_reboots_since_mode: int = 0
    host_rshim: str = "Disabled"
    bios: dict[str, Any] = field(default_factory=dict)
    pending_bios: dict[str, Any] = field(default_factory=dict)
    host_privilege: str = "Restricted"
    pending_privilege: str | None = None
    external_privileges: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(EXTERNAL_PRIVILEGES, "Disabled")
    )
    """How firmware before 25.10 keeps the privilege of the host."""
    bmc_rshim: bool = False
    nic_firmware: str = "32.41.1000"
    bsp: str = "4.9.1.13544"
    os_version: str = "DOCA_2.9.1_BSP_4.9.1_Ubuntu_22.04"
    storage: list[str] = field(default_factory=list)
    """What holders left on the Arm cores' storage; a fresh image erases it."""
    image_breaks: bool = False
    """Whether the next images fail half-way."""
    last_reset: str = "2026-01-01T00:00:00.000000+00:00"
    boot_progress: str = "OSRunning"
    delay_s: float = 0.0
    """Restarts, switching and images take a random time up to this; 0 is at once."""
    asset_tag: str = ""
    boot_enabled: str = "Disabled"
    boot_target: str = "None"
    power: str = "On"
    accounts: dict[str, Account] = field(default_factory=dict)
    subscriptions: dict[str, str] = field(default_factory=dict)
    cuts_sessions: bool = True
    """Whether closing an account ends its sessions; not all firmware does."""
    changes: int = 0
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in what a new card comes with, and what is never written down."""
        self.sessions: dict[str, Session] = {}
        self.lock = threading.RLock()
        self.file: Path | None = None
        self.due: list[tuple[float, str]] = []
        if not self.bios:
            self.bios = {
                "BootPartitionProtection": False,
                "EnableSMMU": True,
                "FieldMode": False,
                "HostPrivilegeLevel": "Restricted",
                "InternalCPUModel": "Embedded",
                "NicMode": self.mode,
            }

    # --- accounts and sessions ---

    def set_account(self, name: str, password: str, *, role: str, enabled: bool) -> Account:
        """Create or replace an account."""
        salt = secrets.token_hex(8)
        account = Account(name, role, enabled, salt, digest_of(password, salt))
        self.accounts[name] = account
        return account

    def log_in(self, name: str, password: str) -> Account | None:
        """Return the account when the password is its own and it may enter."""
        account = self.accounts.get(name)
        if account is None or account.locked:
            return None
        if not account.has_password(password):
            account.failures += 1
            if account.failures >= LOCKOUT_AFTER:
                account.locked_until = time.time() + LOCKOUT_S
            return None
        account.failures = 0
        return account if account.enabled and "Login" in PRIVILEGES[account.role] else None

    def open_session(self, name: str) -> Session:
        """Start a session of an account."""
        session = Session(secrets.token_hex(5), secrets.token_urlsafe(15), name, time.monotonic())
        self.sessions[session.id] = session
        return session

    def session_by_token(self, token: str) -> Session | None:
        """Return the living session of a token, and keep it alive."""
        for session in list(self.sessions.values()):
            if time.monotonic() - session.last_used > SESSION_TIMEOUT_S:
                del self.sessions[session.id]
            elif hmac.compare_digest(session.token.encode(), token.encode()):
                account = self.accounts.get(session.username)
                if account is None or (self.cuts_sessions and not account.enabled):
                    del self.sessions[session.id]
                    return None
                session.last_used = time.monotonic()
                return session
        return None

    def end_sessions(self, name: str) -> None:
        """End all sessions of an account that was closed, if the firmware does."""
        if not self.cuts_sessions:
            return
        for session in [s for s in self.sessions.values() if s.username == name]:
            del self.sessions[session.id]

    # --- mode, power ---

    def ask_mode(self, mode: str) -> None:
        """Note the mode for after two reboots of the Arm cores and a power cycle of the host."""
        self.pending_mode = None if mode == self.mode else mode
        self.arm_reboots_since_mode = 0

    def reboot_arm(self) -> None:
        """Restart the Arm cores: the waiting BIOS settings take effect, the mode does not yet."""
        waiting = {name: value for name, value in self.pending_bios.items() if name != "NicMode"}
        self.bios.update(waiting)
        self.pending_bios = {}
        self._take_privilege()
        self.power = "On"
        self.last_reset = datetime.now(UTC).isoformat(timespec="microseconds")
        self.boot_progress = "OSRunning" if self.mode == "DpuMode" else "None"
        self.arm_reboots_since_mode += 1
        if self.boot_enabled == "Once":
            self.boot_enabled, self.boot_target = "Disabled", "None"

    def cycle_host_power(self) -> None:
        """What the host's own BMC does, or a person with a hand on the plug; no request here can."""
        with self.lock:
            if self.pending_mode is not None and self.arm_reboots_since_mode >= 2:
                self.mode, self.pending_mode = self.pending_mode, None
                self.bios["NicMode"] = self.mode
            self.reboot_arm()
            self.arm_reboots_since_mode = 0
            # The card's BMC is fed by the host: it forgets who was logged in.
            self.sessions.clear()
            self.save()

    def _take_privilege(self) -> None:
        if self.pending_privilege is not None:
            self.host_privilege, self.pending_privilege = self.pending_privilege, None

    # --- what takes its time ---

    def later(self, what: str) -> None:
        """Have something happen after a while, or at once when there is no delay."""
        if self.delay_s == 0:
            self._happen(what)
        else:
            self.due.append((time.monotonic() + random.uniform(0.3, 1) * self.delay_s, what))  # noqa: S311

    def settle(self) -> None:
        """Let happen what is due by now."""
        now = time.monotonic()
        for entry in sorted(self.due):
            if entry[0] <= now:
                self.due.remove(entry)
                self._happen(entry[1])
                self.save()

    def _happen(self, what: str) -> None:
        actions: dict[str, Callable[[], None]] = {"restart": self._restart, "up": self._up, "off": self._off}
        if what in actions:
            actions[what]()
        else:
            self._end_task(what)

    def _restart(self) -> None:
        self.reboot_arm()
        if self.delay_s:
            self.boot_progress = "OSBootStarted"
            self.later("up")

    def _up(self) -> None:
        self.boot_progress = "OSRunning" if self.mode == "DpuMode" else "None"

    def _off(self) -> None:
        self.power, self.boot_progress = "Off", "None"

    def start_task(self, image: str) -> str:
        """Begin to install an image, and return the number of the task."""
        number = str(len(self.tasks))
        self.tasks[number] = {"TaskState": "Running", "TaskStatus": "OK", "PercentComplete": 0, "image": image}
        self.later(number)
        return number

    def _end_task(self, number: str) -> None:
        task = self.tasks[number]
        if self.image_breaks:
            task |= {"TaskState": "Exception", "TaskStatus": "Critical"}
            return
        task |= {"TaskState": "Completed", "PercentComplete": 100}
        self.os_version = task["image"].rsplit("/", 1)[-1].removesuffix(".bfb")
        self.storage = []
        self._restart()

    # --- the state file ---

    def save(self) -> None:
        """Write the state down, whole or not at all."""
        if self.file is None:
            return
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=1))
        draft.chmod(0o600)
        draft.replace(self.file)

    @classmethod
    def load(cls, file: Path) -> "Card":
        """Read a state that `save` wrote."""
        values = json.loads(file.read_text())
        values["accounts"] = {name: Account(**entry) for name, entry in values["accounts"].items()}
        card = cls(**values)
        card.file = file
        return card


def digest_of(password: str, salt: str) -> str:
    """Return what is kept of a password; fast on purpose, for this is no real BMC."""
    return hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()
