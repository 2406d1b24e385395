"""The promises of every adapter, kept by the one for cards behind LXD: on the emulator, and on the real daemon.

With SHARY_TEST_GPU_LXD=<file> the same promises are tried on a server with real cards: the file is
JSON with `settings` (as the inventory has them) and `secrets` (a folder with the files they name).
"""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.contract import Holder, Target
from adapters.emulators.lxd.nouns import Profile, Project
from adapters.gpu_lxd.adapter import GpuLxd
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import name_for
from adapters.gpu_lxd.settings import LxdSettings
from tests.adapters.conformance import AdapterConformance
from tests.adapters.conftest import SecretsInFolder
from tests.adapters.gpu_lxd.conftest import H100
from tests.adapters.promises.device import comes_true

POOLED = {"restricted": "true", "restricted.devices.gpu": "allow", "restricted.devices.proxy": "allow"}
REAL = os.environ.get("SHARY_TEST_GPU_LXD")


class EmulatedHost:
    """What the suite sees of the emulated server from outside."""

    def __init__(self, lxd, ssh_holder):
        self.lxd = lxd
        self.ssh_holder = ssh_holder
        self.break_with, self.mend, self.changes = lxd.break_with, lxd.mend, lxd.changes

    def can_enter(self, access, order):
        return self.ssh_holder.can_enter(access)

    @contextmanager
    def hold_session(self, access, order):
        with self.ssh_holder.session(access) as session:
            yield session

    def residue(self, order):
        daemon = self.lxd.daemon
        return [
            *(
                f"instance {instance.name}"
                for instance in daemon.instances.values()
                if instance.config.get("user.shary.lease") == order.lease_id
                or instance.name == f"shary-{order.lease_id}"
            ),
            *(
                f"profile {profile.name} in {project.name}"
                for project in daemon.projects.values()
                for profile in project.profiles.values()
                if profile.config.get("user.shary.lease") == order.lease_id
            ),
            *(
                f"{thing.name} of the network"
                for thing in (*daemon.networks.values(), *daemon.rules.values())
                if order.lease_id in thing.description
            ),
        ]


class WithAKey(AdapterConformance):
    @pytest.fixture
    def holder(self, ssh_holder):
        return Holder(username="researcher@uni-a.example", project="testbed", ssh_keys=(ssh_holder.public_key,))


class TestOnTheEmulator(WithAKey):
    @pytest.fixture
    def device(self, lxd, ssh_holder):
        return EmulatedHost(lxd, ssh_holder)


# As long again as the class above, for paths that differ from it only in part: for `make test-all`.
@pytest.mark.slow
class TestInAPoolWithRules(WithAKey):
    """The same where each lease takes a project and builds a network, with a certificate for no more."""

    @pytest.fixture
    def device(self, lxd, ssh_holder, client_pair):
        for name in ("lease-1", "lease-2", "lease-3"):
            profiles = {"default": Profile("default")}
            lxd.daemon.projects[name] = Project(name, config=dict(POOLED), profiles=profiles)
        lxd.trust.add(client_pair.certificate, projects=["lease-1", "lease-2", "lease-3"])
        return EmulatedHost(lxd, ssh_holder)

    @pytest.fixture
    def target(self, target_for, device):
        return target_for(pci=H100, project_pool=["lease-[1-3]"], network="own")


class RealHost:
    """The same view of a real server, whose image must have sshd for the tests of access."""

    def __init__(self, adapter, settings, visitor):
        self.adapter, self.settings = adapter, settings
        self.can_enter, self.hold_session = visitor.can_enter, visitor.session

    def residue(self, order):
        with LxdClient(settings=LxdSettings(**self.settings), secrets=self.adapter.secrets) as client:
            return [
                entry.label
                for entry in client.instances()
                if entry.lease == order.lease_id or entry.name == name_for(order)
            ]


class TestOnTheRealDaemon(WithAKey):
    @pytest.fixture
    def server(self, real_server):
        return real_server

    @pytest.fixture
    def device(self, adapter, settings, visitor):
        return RealHost(adapter, settings, visitor)


class PatientHolder:
    """Somebody who tries for a while, since a machine needs a moment until its sshd listens."""

    def __init__(self, ssh_holder):
        self.ssh_holder = ssh_holder

    def can_enter(self, access, order):
        comes_true(lambda: self.ssh_holder.finds_a_door(access), within_s=20)
        return self.ssh_holder.can_enter(access)

    @contextmanager
    def session(self, access, order):
        comes_true(lambda: self.ssh_holder.finds_a_door(access), within_s=20)
        with self.ssh_holder.session(access) as session:
            yield session


if REAL:

    class TestOnARealServer(WithAKey):
        patience_s = 60.0

        @pytest.fixture
        def site(self):
            return json.loads(Path(REAL).read_text())

        @pytest.fixture
        def adapter(self, site):
            return GpuLxd(secrets=SecretsInFolder(Path(site["secrets"])))

        @pytest.fixture
        def target(self, site):
            return Target(
                resource_id="real-card",
                name="real-card",
                kind="gpu",
                adapter="gpu_lxd",
                settings=site["settings"],
                attributes={"model": "card under test"},
            )

        @pytest.fixture
        def device(self, site, adapter, ssh_holder):
            return RealHost(adapter, site["settings"], PatientHolder(ssh_holder))
