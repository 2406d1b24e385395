"""This machine's own kernel, in a network namespace of the test: its marks, and its ways of saying no.

A pair of veths stands for a card: it takes alternative names as every interface does, and has no virtual
functions. pyroute2 looks at it as somebody else would.
"""

import ctypes
import errno
import os
import platform
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute, NetNS
from pyroute2.netlink.devlink import devlinkcmd
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket

from adapters.contract import Target
from adapters.errors import InvalidSettings
from adapters.smart_nic_sriov import interfaces
from adapters.smart_nic_sriov.client import Refusal, open_channel, sorted_by_remedy
from adapters.smart_nic_sriov.devlink import Devlink
from adapters.smart_nic_sriov.links import Function, add_mark, read_card, remove_mark, set_up
from adapters.smart_nic_sriov.mark import Mark
from adapters.smart_nic_sriov.namespaces import handle


def may_make_namespaces() -> bool:
    if os.geteuid() != 0:
        return False
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not may_make_namespaces() and "CI" not in os.environ,
    reason="network namespaces can only be made by root (CAP_SYS_ADMIN and CAP_NET_ADMIN)",
)


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"shary-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(
        ["ip", "-n", name, "link", "add", "pf0", "type", "veth", "peer", "name", "wire0"], check=True
    )
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def other_namespace() -> Iterator[str]:
    name = f"shary-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def route(namespace):
    with open_channel("local", "route", timeout_s=5, namespace=namespace) as channel:
        yield channel


def names_seen_by_another(namespace: str) -> list[str]:
    with NetNS(namespace, flags=0) as kernel:
        card = kernel.get_links(ifname="pf0")[0]
        found = card.get_attr("IFLA_PROP_LIST")
        return list(found.altnames()) if found else []


def has_devlink() -> bool:
    with GenericNetlinkSocket() as kernel:
        try:
            kernel.bind("devlink", devlinkcmd)
        except NetlinkError as error:
            if error.code != errno.ENOENT:
                raise
            return False
    return True


def test_a_mark_is_written_read_and_removed(route, namespace):
    mark = Mark("vf3", str(uuid.uuid4()), 1_795_000_000_000)
    card = read_card(route, "pf0")

    add_mark(route, card, mark)
    add_mark(route, card, mark)

    assert names_seen_by_another(namespace) == [mark.text]
    assert read_card(route, "pf0").marks == (mark,)
    remove_mark(route, card, mark)
    remove_mark(route, card, mark)
    assert names_seen_by_another(namespace) == []


def test_the_marks_of_many_functions_stand_side_by_side(route):
    card = read_card(route, "pf0")
    marks = [Mark(f"vf{vf}", str(uuid.uuid4()), vf) for vf in range(32)]

    for mark in marks:
        add_mark(route, card, mark)

    seen = read_card(route, "pf0")
    assert set(seen.marks) == set(marks)
    assert seen.marks_on("vf3") == [marks[3]]


def test_the_longest_mark_fits_the_kernel(route):
    mark = Mark("port4294967295", "x" * 64, 10**20 - 1)

    add_mark(route, read_card(route, "pf0"), mark)

    assert read_card(route, "pf0").marks == (mark,)


def test_other_names_that_an_operator_gave_are_no_marks(route, namespace):
    subprocess.run(
        ["ip", "-n", namespace, "link", "property", "add", "dev", "pf0", "altname", "uplink-to-roma"],
        check=True,
    )

    assert read_card(route, "pf0").marks == ()


def test_a_card_without_virtual_functions_is_an_invalid_record(namespace, adapter):
    with open_channel("local", "route", timeout_s=5, namespace=namespace) as channel:
        card = read_card(channel, "pf0")
        assert card.vf_count is None
        wanted = Function(
            mac="02:00:5e:10:00:01",
            vlan=7,
            priority=0,
            min_rate_mbps=0,
            max_rate_mbps=0,
            spoof_check=True,
            trust=False,
            query_rss=False,
            link="disable",
        )
        card.functions[0] = Function(
            mac="02:00:5e:10:00:02",
            vlan=0,
            priority=0,
            min_rate_mbps=0,
            max_rate_mbps=0,
            spoof_check=True,
            trust=False,
            query_rss=False,
            link="auto",
        )

        with pytest.raises(InvalidSettings, match="driver cannot do that"):
            set_up(channel, card, 0, wanted)


def test_an_interface_that_is_not_there_is_an_invalid_record(route):
    with pytest.raises(InvalidSettings, match="There is no such interface"):
        read_card(route, "pf7")


def test_a_namespace_that_is_not_there_is_an_invalid_record():
    with (
        pytest.raises(InvalidSettings, match="ip netns add nowhere"),
        open_channel("local", "route", timeout_s=5, namespace="nowhere"),
    ):
        pass


def test_a_kernel_without_devlink_says_so_in_words(namespace):
    wanted = "no such interface" if has_devlink() else "This kernel has no devlink"

    with (
        open_channel("local", "generic", timeout_s=5, namespace=namespace) as channel,
        pytest.raises(InvalidSettings, match=wanted),
    ):
        Devlink(channel, bus="pci", device="0000:65:00.0").eswitch_mode()


def test_the_worker_without_its_right_is_told_which_one_is_missing(route, namespace):
    """Another thread gives its capabilities up, as an unprivileged worker has none."""
    said: list[BaseException] = []

    def try_without_rights() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        # setresuid by system call changes this thread alone; glibc's would change them all.
        libc.syscall({"x86_64": 117, "aarch64": 147}[platform.machine()], 65534, 65534, 65534)
        try:
            add_mark(route, read_card(route, "pf0"), Mark("vf0", "lease", 1))
        except BaseException as error:
            said.append(error)

    thread = threading.Thread(target=try_without_rights)
    thread.start()
    thread.join()

    assert isinstance(said[0], InvalidSettings), said
    assert "CAP_NET_ADMIN" in str(said[0])
    assert names_seen_by_another(namespace) == []


def test_an_interface_goes_into_a_namespace_and_comes_back_bare(route, namespace, other_namespace):
    (mine,) = [found for found in interfaces.all_of(route) if found.name == "wire0"]
    interfaces.take_address(route, mine, "02:00:5e:10:00:09")
    with handle("local", other_namespace, timeout_s=5) as number:
        interfaces.move(route, mine, number, name="wire0")

    assert "wire0" not in {found.name for found in interfaces.all_of(route)}
    for command in (
        ["link", "set", "wire0", "up", "promisc", "on", "alias", "mine for ever"],
        ["link", "property", "add", "dev", "wire0", "altname", "pf0"],
        ["link", "set", "wire0", "name", "evil"],
    ):
        subprocess.run(["ip", "-n", other_namespace, *command], check=True)

    with open_channel("local", "route", timeout_s=5, namespace=other_namespace) as there:
        (away,) = [found for found in interfaces.all_of(there) if found.name == "evil"]
        assert away.mac == "02:00:5e:10:00:09"
        assert away.leftovers == ["described by somebody", "promiscuous"]
        interfaces.strip(there, away)
        with handle("local", namespace, timeout_s=5) as number:
            interfaces.move(there, away, number, name="wire0")

    (back,) = [found for found in interfaces.all_of(route) if found.index == away.index]
    interfaces.rename(route, back, "wire0")
    (back,) = [found for found in interfaces.all_of(route) if found.name == "wire0"]
    assert back.leftovers == []
    assert back.other_names == ()


def test_a_name_that_is_taken_at_home_does_not_keep_an_interface_away(route, namespace, other_namespace):
    (mine,) = [found for found in interfaces.all_of(route) if found.name == "wire0"]
    with handle("local", other_namespace, timeout_s=5) as number:
        interfaces.move(route, mine, number, name="wire0")
    subprocess.run(["ip", "-n", other_namespace, "link", "set", "wire0", "name", "pf0"], check=True)

    with open_channel("local", "route", timeout_s=5, namespace=other_namespace) as there:
        (away,) = [found for found in interfaces.all_of(there) if found.name == "pf0"]
        with handle("local", namespace, timeout_s=5) as number:
            interfaces.move(there, away, number, name="wire0")

    assert {"pf0", "wire0"} <= {found.name for found in interfaces.all_of(route)}


def test_the_adapter_says_of_this_machine_what_the_record_lacks(adapter):
    with IPRoute() as kernel:
        name = kernel.get_links()[0].get_attr("IFLA_IFNAME")
    settings = {"card": name, "vf": 0, "holder_host": "nic1.uni-a.example"}
    target = Target(
        resource_id="lo", name="loopback", kind="smart_nic_vf", adapter="smart_nic_sriov", settings=settings
    )

    with pytest.raises(InvalidSettings, match="no virtual functions"):
        adapter.observe(target)


def test_what_the_kernel_says_is_sorted_by_what_to_do_next():
    remedies = {
        number: type(sorted_by_remedy(Refusal(number, ""), what="do it")).__name__
        for number in (1, 16, 11, 22, 5, 95)
    }

    assert remedies == {
        1: "InvalidSettings",
        16: "DeviceBusy",
        11: "DeviceUnreachable",
        22: "DeviceRefused",
        5: "OutcomeUnknown",
        95: "InvalidSettings",
    }


def test_sockets_of_another_namespace_leave_the_worker_in_its_own(namespace):
    before = Path("/proc/thread-self/ns/net").readlink()

    with open_channel("local", "route", timeout_s=5, namespace=namespace) as channel:
        names = {found.name for found in interfaces.all_of(channel)}

    assert names == {"lo", "pf0", "wire0"}
    assert Path("/proc/thread-self/ns/net").readlink() == before
