"""The way to Slurm by its own commands, here or through ssh."""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from adapters.errors import DeviceUnreachable, InvalidSettings, OutcomeUnknown
from adapters.gpu_slurm import text
from adapters.gpu_slurm.nouns import Job, Licence, Node, Reservation, Wish
from adapters.gpu_slurm.refusals import CommentUnknown, error_for
from adapters.gpu_slurm.settings import SlurmSettings

_STATES = "PENDING,CONFIGURING,RUNNING,SUSPENDED,STOPPED,RESIZING,SIGNALING,STAGE_OUT,COMPLETING"
# The commands read and print the local time of whoever calls them; they are told that it is UTC.
_ZONE = "UTC0"
_CLOCKS_MAY_DIFFER_BY = timedelta(minutes=5)


class SlurmCommands:
    """scontrol, squeue and scancel, run as lists of arguments and never by a shell of ours."""

    path = "scontrol and squeue"

    def __init__(self, *, settings: SlurmSettings) -> None:
        self._settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open between two commands."""

    # --- looking ----------------------------------------------------------------------------------

    def version(self) -> str:
        """Return the controller's version, after a look at the zone in which times are printed."""
        said = self._ask(["scontrol", "show", "config"], "show its configuration")
        version = ""
        for line in said.splitlines():
            if line.startswith("Configuration data as of "):
                _refuse_other_zones(text.moment(line.removeprefix("Configuration data as of ").strip()))
            key, _, value = line.partition("=")
            if key.strip() == "SLURM_VERSION":
                version = value.strip()
        return version

    def reservations(self) -> tuple[Reservation, ...]:
        """Return all reservations."""
        return text.reservations(
            self._ask(["scontrol", "-o", "-a", "show", "reservation"], "show its reservations")
        )

    def nodes(self) -> tuple[Node, ...]:
        """Return all nodes."""
        return text.nodes(self._ask(["scontrol", "-d", "-o", "-a", "show", "node"], "show its nodes"))

    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs that are not over."""
        command = ["squeue", "-h", "-a", f"--states={_STATES}", "-o", text.JOB_FORMAT]
        return text.jobs(self._ask(command, "show its jobs"))

    def licences(self) -> tuple[Licence, ...]:
        """Return all licences."""
        return text.licences(self._ask(["scontrol", "-o", "show", "lic"], "show its licences"))

    # --- changing ---------------------------------------------------------------------------------

    def create(self, wish: Wish, *, plain_name: str) -> None:
        """Make the reservation; under the plain name where Slurm keeps no comment with it."""
        try:
            self._create(wish)
        except CommentUnknown:
            self._create(wish.named(plain_name, comment=""))

    def _create(self, wish: Wish) -> None:
        command = [
            *("scontrol", "create", "reservation", f"ReservationName={wish.name}"),
            f"StartTime={_moment(wish.starts_at) if wish.starts_at else 'now'}",
            f"EndTime={_moment(wish.ends_at)}",
            f"Users={wish.users}",
            f"Flags={wish.flag}",
        ]
        if wish.nodes:
            command.append(f"Nodes={','.join(wish.nodes)}")
        if wish.cores:
            command.append(f"CoreCnt={wish.cores}")
        if wish.licence:
            command.append(f"Licenses={wish.licence}")
        if wish.gres:
            kind, _, count = wish.gres.rpartition(":")
            command.append(f"TRES=gres/{kind}={count}")
        if wish.partition:
            command.append(f"PartitionName={wish.partition}")
        if wish.comment:
            command.append(f"Comment={wish.comment}")
        self._tell(command, f"make the reservation {wish.name}")

    def set_end(self, name: str, ends_at: datetime) -> None:
        """Move the end of a reservation."""
        command = ["scontrol", "update", f"ReservationName={name}", f"EndTime={_moment(ends_at)}"]
        self._tell(command, f"move the end of {name}")

    def set_comment(self, name: str, comment: str) -> None:
        """Write another comment."""
        command = ["scontrol", "update", f"ReservationName={name}", f"Comment={comment}"]
        self._tell(command, f"mark {name}")

    def admit(self, name: str, *, user: str, account: str) -> None:
        """Let this user and this account in, and nobody else."""
        command = ["scontrol", "update", f"ReservationName={name}", f"Users={user}", f"Accounts={account}"]
        self._tell(command, f"say who may use {name}")

    def delete(self, name: str) -> None:
        """Delete a reservation."""
        self._tell(["scontrol", "delete", f"ReservationName={name}"], f"delete {name}")

    def cancel(self, jobs: tuple[Job, ...]) -> None:
        """End the jobs: first kill what runs, for jobs that ignore a polite request, then cancel."""
        running = [job.id for job in jobs if job.state not in ("PENDING", "COMPLETING")]
        if running:
            self._tell(["scancel", "--quiet", "--signal=KILL", "--full", *running], "kill jobs")
        if jobs:
            self._tell(["scancel", "--quiet", *(job.id for job in jobs)], "cancel jobs")

    # --- underneath -------------------------------------------------------------------------------

    def _ask(self, command: Sequence[str], what: str) -> str:
        code, out, err = self._run(command, changes=False)
        if code != 0:
            raise self._failed(code, out, err, changes=False, what=what)
        return out

    def _tell(self, command: Sequence[str], what: str) -> None:
        code, out, err = self._run(command, changes=True)
        if code != 0:
            if "unknown parameter comment" in err.lower():
                raise CommentUnknown
            raise self._failed(code, out, err, changes=True, what=what)

    def _failed(self, code: int, out: str, err: str, *, changes: bool, what: str) -> Exception:
        words = err.strip() or out.strip() or f"exit status {code}"
        if self._settings.via and code == 255 and changes:
            # The status of ssh itself, when the connection could not be made or broke.
            error = error_for(words, changes=True, what=what)
            if isinstance(error, DeviceUnreachable):
                return error
            return OutcomeUnknown(f"The way to Slurm broke while it was to {what}: “{words}”.")
        if self._settings.via and code == 255:
            return DeviceUnreachable(f"There is no way to Slurm: “{words}”.")
        if code == 127 or "command not found" in words.lower():
            return InvalidSettings(f"Slurm's commands are not where the settings say: “{words}”.")
        return error_for(words, changes=changes, what=what)

    def _run(self, command: Sequence[str], *, changes: bool) -> tuple[int, str, str]:
        arguments, environment = self._complete(command)
        try:
            process = subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise InvalidSettings(f"“{arguments[0]}” cannot be run here: {error.strerror}.") from error
        try:
            out, err = process.communicate(timeout=self._settings.timeout_s)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            words = f"{command[0]} gave no answer within {self._settings.timeout_s:g} s"
            if changes:
                raise OutcomeUnknown(f"{words}. The change may have been made.") from error
            raise DeviceUnreachable(f"{words}. Nothing was changed.") from error
        return process.returncode, out, err

    def _complete(self, command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        settings = self._settings
        folder = f"{settings.bin_dir.rstrip('/')}/" if settings.bin_dir else ""
        own = {"TZ": _ZONE, "LC_ALL": "C"}
        if settings.slurm_conf:
            own["SLURM_CONF"] = settings.slurm_conf
        words = [f"{folder}{command[0]}", *command[1:]]
        if settings.sudo_user:
            words = ["sudo", "-n", "-u", settings.sudo_user, *words]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        if not settings.via:
            return words, inherited | own
        words = ["env", *(f"{name}={value}" for name, value in own.items()), *words]
        if any(word.rpartition("/")[2] == "ssh" for word in settings.via):
            # sshd hands the words to the account's shell in one string: each is quoted for it.
            words = [shlex.quote(word) for word in words]
        return [*settings.via, *words], inherited


def _kill(process: "subprocess.Popen[str]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.communicate()


def _refuse_other_zones(said: datetime) -> None:
    ahead = said - datetime.now(UTC)
    if abs(ahead) > _CLOCKS_MAY_DIFFER_BY:
        raise InvalidSettings(
            f"Slurm's commands show a time that is {round(ahead.total_seconds() / 60):+d} minutes off. Either a "
            "clock is wrong, or TZ does not reach them: let sudo and ssh pass it on (env_keep += TZ)."
        )


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
