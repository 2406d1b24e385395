"""What the portal asks about a machine behind ssh."""

import pytest

from adapters.gpu_ssh.settings import DESCRIPTION

LEAST = {"host": "gpu1.uni-a.example", "key_secret": "gpu.key", "host_key_secret": "gpu-host.pub"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pci": "65:00.0"},
        {"cards": ["0000:65:00.0", "B3:00.0"]},
        {"login_host": "gate.uni-a.example", "login_port": 2222, "account": "lender"},
    ],
)
def test_settings_of_a_site_are_accepted(more):
    assert DESCRIPTION.check_settings(LEAST | more) == ()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"host": "gpu1; reboot"}, "host"),
        ({"host": "-oProxyCommand=x"}, "host"),
        ({"account": "Root"}, "account"),
        ({"port": 0}, "port"),
        ({"pci": "nvidia0"}, "pci"),
        ({"mig_uuid": "MIG-1"}, "mig_uuid"),
        ({"key_secret": "../key"}, "key_secret"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"password": "secret"}, "password"),
    ],
)
def test_settings_that_cannot_work_are_named(more, field):
    assert [problem.field for problem in DESCRIPTION.check_settings(LEAST | more)] == [field]


def test_a_machine_without_cards_cannot_be_lent(adapter, target_for, order_for):
    from adapters.errors import InvalidSettings

    with pytest.raises(InvalidSettings, match="has no cards"):
        adapter.provision(order_for(target_for("gpu1")))


def test_holders_may_be_sent_to_another_door(adapter, target_for, order_for):
    target = target_for(pci="0000:65:00.0", login_host="gate.uni-a.example", login_port=22)

    (way,) = adapter.provision(order_for(target)).endpoints

    assert (way.host, way.port) == ("gate.uni-a.example", 22)
    assert way.command == f"ssh {way.username}@gate.uni-a.example"
