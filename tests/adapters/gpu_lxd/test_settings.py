"""What an operator may write about cards behind LXD, and what is said about mistakes."""

import pytest

from adapters.gpu_lxd.settings import DESCRIPTION, LxdSettings

GOOD = {
    "endpoint": "https://gpu1.uni-a.example:8443",
    "certificate_secret": "lxd.crt",
    "key_secret": "lxd.key",
    "server_certificate_secret": "lxd-server.crt",
    "image": "ubuntu-gpu",
}
FORWARDED = {"instance_type": "container", "ssh_host": "gpu1.uni-a.example", "ssh_ports": "20000-20099"}


def problems(**wishes):
    return {entry.field: entry.message for entry in DESCRIPTION.check_settings(GOOD | wishes)}


def test_a_host_needs_no_card_of_its_own():
    assert problems() == {}
    assert problems(**FORWARDED) == {}


def test_an_address_is_kept_in_normal_form():
    assert LxdSettings(**GOOD, pci="65:00.0").wanted_cards == ("0000:65:00.0",)


def test_the_card_of_a_part_counts_more_than_the_cards_of_its_host():
    settings = LxdSettings(**GOOD, cards=("0000:65:00.0", "0000:b3:00.0"), pci="0000:b3:00.0")

    assert settings.wanted_cards == ("0000:b3:00.0",)


@pytest.mark.parametrize(
    ("field", "junk"),
    [
        ("endpoint", "http://gpu1.uni-a.example:8443"),
        ("endpoint", "https://gpu1.uni-a.example:8443/1.0"),
        ("pci", "card 0"),
        ("cards.0", None),
        ("key_secret", "-----BEGIN PRIVATE KEY-----\nMIG2"),
        ("certificate_secret", "../lxd.crt"),
        ("instance_type", "laptop"),
        ("login_user", "root; reboot"),
        ("timeout_s", 0),
    ],
)
def test_a_mistake_is_shown_at_its_field(field, junk):
    wish = {"cards": ["nope"]} if field == "cards.0" else {field: junk}

    assert set(problems(**wish)) == {field}


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (FORWARDED | {"instance_type": "virtual-machine"}, "own address"),
        (FORWARDED | {"ssh_host": None}, "host name"),
        (FORWARDED | {"ssh_ports": "20099-20000"}, "20000-20099"),
        ({"mig_uuid": "MIG-1", "instance_type": "container"}, "address of its card"),
        ({"mig_uuid": "MIG-1", "pci": "65:00.0"}, "containers only"),
    ],
)
def test_settings_that_do_not_fit_together_are_explained(wishes, words):
    (message,) = problems(**wishes).values()

    assert words in message


def test_the_portal_can_search_for_the_model():
    assert DESCRIPTION.check_attributes({"model": "NVIDIA H100 80GB HBM3", "memory_gib": 79.6}) == ()
    assert [problem.field for problem in DESCRIPTION.check_attributes({})] == ["model"]


def test_a_holder_may_choose_an_image_or_none():
    assert DESCRIPTION.check_parameters({}) == ()
    assert DESCRIPTION.check_parameters({"image": "ubuntu/24.04"}) == ()
    assert DESCRIPTION.check_parameters({"image": "two words"}) != ()


def test_a_pool_is_names_and_spans_of_them():
    settings = LxdSettings(**GOOD, project_pool=("vip", "lease-[08-10]", "vip"))

    assert settings.pool == ("vip", "lease-08", "lease-09", "lease-10")
    assert LxdSettings(**GOOD).pool == ()


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"project_pool": ["lease-[9-1]"]}, "project_pool.0"),
        ({"project_pool": ["lease-[1-9999]"]}, "project_pool.0"),
        ({"project_pool": ["two words"]}, "project_pool.0"),
        ({"barred_networks": ["the office"]}, "barred_networks.0"),
        ({"limit_cpus": 0}, "limit_cpus"),
        ({"network": "ovn"}, ""),
        ({"ovn_network": "ovn0"}, ""),
    ],
)
def test_a_mistake_about_the_room_of_a_lease_is_shown_at_its_field(wishes, field):
    assert set(problems(**wishes)) == {field}
