"""What both ways to Slurm offer, and how one of them is chosen."""

from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from adapters.contract import Secrets
from adapters.gpu_slurm.commands import SlurmCommands
from adapters.gpu_slurm.nouns import Job, Licence, Node, Reservation, Wish
from adapters.gpu_slurm.rest import SlurmRest
from adapters.gpu_slurm.settings import SlurmSettings


class Slurm(Protocol):
    """A cluster, asked and told by commands or over HTTP."""

    path: str
    """How it is asked, in words for a proof."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def version(self) -> str:
        """Return the version of the controller; raise unless its clock and its zone are understood."""
        ...

    def reservations(self) -> tuple[Reservation, ...]: ...

    def nodes(self) -> tuple[Node, ...]: ...

    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs that are not over, also those on their way out."""
        ...

    def licences(self) -> tuple[Licence, ...]: ...

    def create(self, wish: Wish, *, plain_name: str) -> None:
        """Make the reservation; under `plain_name` where Slurm keeps no comment with it."""
        ...

    def set_end(self, name: str, ends_at: datetime) -> None: ...

    def set_comment(self, name: str, comment: str) -> None: ...

    def admit(self, name: str, *, user: str, account: str) -> None:
        """Let this user, or this account, or this user under this account submit jobs; nobody else."""
        ...

    def delete(self, name: str) -> None: ...

    def cancel(self, jobs: tuple[Job, ...]) -> None:
        """End the jobs at once."""
        ...


def connect(settings: SlurmSettings, secrets: Secrets) -> Slurm:
    """Return the way to Slurm that the site has chosen."""
    if settings.transport == "rest":
        return SlurmRest(settings=settings, secrets=secrets)
    return SlurmCommands(settings=settings)


def other_path(settings: SlurmSettings, secrets: Secrets) -> Slurm:
    """Return another way to look than the one that changes things, or a fresh one where none is."""
    if settings.rest_url:
        return SlurmRest(settings=settings, secrets=secrets)
    return SlurmCommands(settings=settings)
