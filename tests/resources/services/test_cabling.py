"""Describing a site's cables by text, and what the database keeps of them whatever comes."""

import pytest
from django.db import IntegrityError, transaction

from resources.cabling import write_csv, write_text
from resources.errors import InventoryRefusal, NotTheirSite
from resources.models import Cable, Resource, Site
from resources.services.cabling import describe_cables, preview_cables, sorted_wires
from resources.vlans import vlans_of
from tests.factories import make_resource, make_site, make_superuser, make_user

pytestmark = pytest.mark.django_db
TEXT = "Tofino 1 1/0 — Host L40S eth2, 100G\nTofino 1/1 - BlueField p0\n"


@pytest.fixture
def site() -> Site:
    site = make_site("torino", name="Torino")
    for name, kind in (("Tofino", "p4_switch"), ("Tofino 1", "p4_switch"), ("Host L40S", "gpu_host")):
        make_resource(site, name=name, kind=kind)
    make_resource(site, name="BlueField", kind="smart_nic", adapter="smart_nic_bluefield")
    return site


@pytest.fixture
def operator(site: Site):
    return make_user("operator", operates=[site])


def device(site: Site, name: str) -> Resource:
    return Resource.objects.get(site=site, name=name)


def test_a_text_is_read_with_the_longest_name_that_fits(site, operator):
    changes = preview_cables(site=site, text=TEXT, actor=operator)
    assert [str(wire) for wire in changes.added] == [
        "Tofino 1 1/0 — Host L40S eth2, 100G",
        "Tofino 1/1 — BlueField p0",
    ]
    assert not Cable.objects.exists()


@pytest.mark.parametrize("write", [write_text, write_csv])
def test_what_is_written_is_read_as_no_change(site, operator, write):
    describe_cables(site=site, text=TEXT, actor=operator)
    again = preview_cables(site=site, text=write(sorted_wires(site)), actor=operator)
    assert again.is_empty
    assert not again.problems
    assert again.kept == 2


def test_a_second_text_says_what_it_adds_removes_and_changes(site, operator):
    describe_cables(site=site, text=TEXT, actor=operator)
    kept = Cable.objects.get(speed_gbps=100)
    text = "Host L40S eth2 <-> tofino 1 1/0, 40 Gbit/s\nTofino 5 — BlueField p1, 0.5T"
    changes = describe_cables(site=site, text=text, actor=operator)
    assert [str(wire) for wire in changes.added] == ["Tofino 5 — BlueField p1, 500G"]
    assert [str(cable) for cable in changes.removed] == ["Tofino 1/1 — BlueField p0"]
    kept.refresh_from_db()
    assert kept.speed_gbps == 40
    assert Cable.objects.count() == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Tofinno 1 1/0 — BlueField p0", "did you mean “Tofino 1”"),
        ("Tofino 1 — BlueField p0", "Which port of Tofino 1?"),
        ("Tofino 1 1/0 BlueField p0", "a dash"),
        ("Tofino 1 1/0 — BlueField p0, fast", "is no speed"),
        ("Tofino 1 1/0 — Tofino 1 1/1", "joins two devices"),
        ("Tofino 1 1/0 — Osaka · Switch 2/0", "There is no device “Osaka · Switch”"),
    ],
)
def test_a_line_that_cannot_be_read_says_what_would_help(site, operator, line, words):
    make_resource(make_site("osaka", name="Osaka"), name="Switch")
    (problem,) = preview_cables(site=site, text=f"# ours\n\n{line}", actor=operator).problems
    assert words in problem.message
    assert problem.number == 3
    with pytest.raises(InventoryRefusal, match="Line 3"):
        describe_cables(site=site, text=line.join(["\n\n", ""]), actor=operator)
    assert not Cable.objects.exists()


def test_a_port_takes_one_cable(site, operator):
    twice = f"{TEXT}BlueField p0 — Host L40S eth3"
    assert "line 2 already" in preview_cables(site=site, text=twice, actor=operator).problems[0].message
    a, b, c = (device(site, name) for name in ("Tofino 1", "BlueField", "Host L40S"))
    Cable.objects.create(a=a, a_port="1", b=b, b_port="p0")
    for one, port, other, other_port in ((a, "1", c, "e"), (c, "e", a, "1"), (c, "e", b, "p0")):
        with pytest.raises(IntegrityError, match="one_cable_in_a_port"), transaction.atomic():
            Cable.objects.create(a=one, a_port=port, b=other, b_port=other_port)
    cable = Cable.objects.get()
    cable.a_port = "2"
    cable.save()
    Cable.objects.create(a=a, a_port="1", b=c, b_port="e")


def test_the_database_refuses_a_cable_to_itself_to_a_part_and_out_of_the_site(site):
    host = device(site, "Host L40S")
    card = make_resource(parent=host, name="Card")
    away = make_resource(make_site("osaka"), name="Switch")
    for other, words in ((host, "joins_two_devices"), (card, "part of itself"), (away, "has to say so")):
        with pytest.raises(IntegrityError, match=words), transaction.atomic():
            Cable.objects.create(a=host, a_port="1", b=other, b_port="2")
    Cable.objects.create(a=host, a_port="1", b=away, b_port="2", between_sites=True)


def test_only_those_who_run_both_ends_change_a_link_between_sites(site, operator):
    osaka = make_site("osaka", name="Osaka")
    make_resource(osaka, name="Switch")
    link = "Tofino 1 9 — Osaka · Switch 2/0, 10G"
    describe_cables(site=site, text=link, actor=make_superuser())
    assert Cable.objects.get().between_sites
    left_out = describe_cables(site=site, text=TEXT, actor=operator)
    assert not left_out.removed
    assert Cable.objects.count() == 3
    with pytest.raises(NotTheirSite):
        describe_cables(site=osaka, text="", actor=operator)


def test_a_pool_of_vlans_is_read_as_people_write_it():
    assert list(vlans_of(" 300, 200–203;7 ")) == [7, 200, 201, 202, 203, 300]
    for pool, words in (("1", "out of range"), ("9-5", "backwards"), ("a", "no VLAN"), ("2-9,5", "twice")):
        with pytest.raises(ValueError, match=words):
            list(vlans_of(pool))
