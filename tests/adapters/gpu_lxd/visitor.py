"""A holder at the door of an instance that may have been started a moment ago."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.contract import Access, LeaseOrder
from adapters.gpu_lxd.instance import name_for
from tests.adapters.gpu_lxd.holder import Session, SshHolder
from tests.adapters.gpu_lxd.servers import Operator

_PATIENCE_S = 15.0


class Visitor:
    """Knows from the operator which instances run, and waits for their ssh servers."""

    def __init__(self, ssh_holder: SshHolder, operator: Operator) -> None:
        self.ssh_holder, self.operator = ssh_holder, operator

    def can_enter(self, access: Access, order: LeaseOrder) -> bool:
        """Say whether the holder gets in, and into the machine of this lease.

        An address may be used again by the next lease: what counts is whose machine is behind it.
        """
        self._await_door(access, order)
        return self.ssh_holder.can_enter(access, of=name_for(order))

    @contextmanager
    def session(self, access: Access, order: LeaseOrder) -> Iterator[Session]:
        """Log in and stay."""
        self._await_door(access, order)
        with self.ssh_holder.session(access) as session:
            yield session

    def run(self, access: Access, order: LeaseOrder, command: str) -> str:
        """Return what a command prints inside."""
        with self.session(access, order) as session:
            return session.run(command)

    def _await_door(self, access: Access, order: LeaseOrder) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self.ssh_holder.finds_a_door(access) and time.monotonic() < deadline:
            running = {
                name for (_, name), one in self.operator.instances().items() if one["status"] != "Stopped"
            }
            if name_for(order) not in running:
                return
            time.sleep(0.02)
