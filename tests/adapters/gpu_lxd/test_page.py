"""What the page for operators of LXD tells them to type does what it says, on the real daemon."""

import re

import pytest

from bench.measuring import ROOT
from tests.adapters.gpu_lxd.conftest import H100

PAGE = ROOT / "docs" / "sites" / "lxd.md"


@pytest.fixture
def server(real_server):
    return real_server


def test_the_commands_of_the_page_make_a_pool_and_take_it_away(
    adapter, server, client_pair, target_for, order_for
):
    daemon, folder = server.lxd, server.lxd.folder
    join, leave = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    daemon.inside("lxc", "network", "create", "lxdbr0", "ipv4.address=10.99.0.1/24", "ipv6.address=none")
    server.distrust(client_pair.certificate)
    (folder / "lxd.crt").write_text(client_pair.certificate)

    daemon.inside("bash", "-e", "-c", f"cd {folder}; {join}")
    wishes = {"project_pool": ["shary-[01-04]"], "limit_cpus": 4, "limit_memory_gib": 8}
    order = order_for(target_for(pci=H100, **(server.forwarded | wishes)))
    adapter.provision(order)
    assert adapter.release(order).is_clean
    daemon.inside("bash", "-e", "-c", leave)

    assert set(server.operator.projects()) == {"default"}
