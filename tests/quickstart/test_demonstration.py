import json
import os
import socket
import stat
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from adapters.catalogue import CATALOGUE
from adapters.contract.wire import new_key, private_key, public_text, to_json
from adapters.errors import AdapterError
from adapters.registry import adapter_class
from reservations.models import Lease, Reservation
from reservations.services.engine.orders import targets_for
from reservations.states import Status
from resources.findings import lines_of
from resources.models import Discovery, MaintenanceWindow, Resource, Site
from resources.selectors import known_trees
from resources.services.cabling import sorted_wires
from resources.services.discovery import wholes_to_ask
from resources.vlans import vlans_of
from shary_portal.quickstart import federation
from shary_portal.quickstart.bookings import BOOKINGS
from shary_portal.quickstart.emulators import EmulatedDevices
from shary_portal.quickstart.sites import DemonstrationSites
from site_worker.config import SiteSecrets, load_config

PASSWORD = "share-for-this-test"


@pytest.fixture
def devices(tmp_path):
    devices = EmulatedDevices(tmp_path / "devices")
    devices.lay_out()
    return devices


@pytest.fixture
def sites(tmp_path, devices):
    hub_key = public_text(private_key(new_key()))
    sites = DemonstrationSites(tmp_path / "sites", broker_url="redis://127.0.0.1:1/0", hub_public_key=hub_key)
    sites.lay_out(devices)
    return sites


@pytest.fixture
def load(sites, monkeypatch):
    monkeypatch.setenv("SHARY_DEMONSTRATION_PASSWORD", PASSWORD)
    return lambda: call_command("load_demonstration", sites.inventory_file, verbosity=0)


@pytest.fixture
def loaded(db, load):
    load()


def test_every_account_that_is_printed_can_sign_in(loaded, client):
    for person in federation.PEOPLE:
        user = User.objects.get(email=person.email)
        assert user.check_password(PASSWORD)
        assert user.home_organisation.slug == person.organisation


def test_the_devices_of_each_site_are_wired_as_it_describes(loaded):
    for entry in federation.SITES:
        site = Site.objects.get(slug=entry.slug)
        assert {str(wire) for wire in sorted_wires(site)} == set(entry.cables.splitlines())
        assert list(vlans_of(site.vlan_pool))


def test_only_the_manager_may_do_everything(loaded):
    assert [user.email for user in User.objects.filter(is_superuser=True)] == ["manager@federation.example"]


def test_all_settings_and_attributes_please_their_adapters(loaded):
    for resource in Resource.objects.all():
        settings, whole = resource.settings, resource.parent
        while whole is not None:
            settings, whole = whole.settings | settings, whole.parent
        description = CATALOGUE[resource.adapter]
        assert description.check_settings(settings) == (), resource
        assert description.check_attributes(resource.attributes) == (), resource


def test_cards_are_parts_of_hosts_and_slices_are_parts_of_cards(loaded):
    part = Resource.objects.get(name="H100 1 slice A")
    assert part.parent.name == "H100 1"
    assert part.parent.parent.name == "Host H100"
    assert Resource.objects.filter(parent__name="Host L40S").count() == 4


def test_the_calendar_is_not_empty_and_osaka_waits_for_its_operator(loaded):
    assert Reservation.objects.count() == len(BOOKINGS)
    waiting = Lease.objects.filter(status=Status.REQUESTED)
    assert {lease.resource.site.slug for lease in waiting} == {"osaka"}
    assert waiting.exists()
    assert MaintenanceWindow.objects.filter(starts_at__gt=timezone.now()).count() == 1


def test_one_booking_is_under_way_at_once(loaded):
    assert Lease.objects.filter(starts_at__lte=timezone.now(), status=Status.SCHEDULED).exists()


def test_loading_again_changes_nothing_but_addresses(loaded, load, sites):
    before = Resource.objects.count(), Reservation.objects.count()
    content = json.loads(sites.inventory_file.read_text())
    switch = next(device for device in content["devices"] if device["name"] == "Tofino 1")
    switch["settings"]["port"] = 9559
    sites.inventory_file.write_text(json.dumps(content))
    load()
    assert (Resource.objects.count(), Reservation.objects.count()) == before
    assert Resource.objects.get(name="Tofino 1").settings["port"] == 9559


def test_a_database_with_people_of_its_own_is_left_alone(db, load):
    User.objects.create_user("somebody", "somebody@uni-a.example")
    load()
    assert not Site.objects.exists()
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_without_a_password_nothing_is_loaded(load, monkeypatch):
    monkeypatch.delenv("SHARY_DEMONSTRATION_PASSWORD")
    with pytest.raises(CommandError, match="SHARY_DEMONSTRATION_PASSWORD"):
        load()
    assert not User.objects.exists()


def test_the_site_workers_understand_what_was_written_for_them(sites):
    for site in federation.SITES:
        folder = sites.folder / site.slug
        config = load_config(folder / "site.toml", environ={})
        assert config.site == site.slug
        public_keys = json.loads(sites.inventory_file.read_text())["public_keys"]
        assert public_text(config.own_key()) == public_keys[site.slug]


def test_sites_know_every_secret_that_their_devices_name(sites, devices):
    for emulator in devices.emulators:
        named = {value for name, value in devices.settings_of(emulator).items() if name.endswith("_secret")}
        assert named <= devices.secrets_of(emulator.site).keys()


def test_those_who_book_have_the_key_that_lies_beside_the_sites(loaded, sites):
    key = load_ssh_private_key(sites.ssh_key_file.read_bytes(), password=None)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    for booking in BOOKINGS:
        kept = User.objects.get(username=booking.who).ssh_keys.get()
        assert kept.public_key.startswith(public)
    assert stat.S_IMODE(sites.ssh_key_file.stat().st_mode) == 0o600


def test_ports_stay_the_same_from_start_to_start(devices):
    again = EmulatedDevices(devices.folder)
    again.lay_out()
    assert again.ports == devices.ports
    assert len(set(again.ports.values())) == len(federation.EMULATORS) + len(again.gateways)


def test_a_port_that_was_taken_meanwhile_is_replaced(devices):
    first, second, *_ = devices.ports
    with socket.socket() as other:
        other.bind(("127.0.0.1", devices.ports[first]))
        other.listen()
        again = EmulatedDevices(devices.folder)
        again.lay_out()
    assert again.ports[first] != devices.ports[first]
    assert again.ports[second] == devices.ports[second]


@pytest.fixture
def running(devices):
    """All emulated devices, each in its process."""
    processes = [
        subprocess.Popen(
            part.command, env={**os.environ, **part.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for part in devices.parts()
    ]
    yield
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(30)


def found_by(adapter, target):
    """Ask a device what it is, as soon as its process answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return adapter.discover(target)
        except (AdapterError, NotImplementedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_what_a_site_finds_contradicts_nothing_in_its_inventory(running, loaded, devices):
    for site in Site.objects.all():
        files = {name: str(file) for name, file in devices.secrets_of(site.slug).items()}
        asked = list(wholes_to_ask().filter(site=site))
        assert asked
        for whole in asked:
            adapter = adapter_class(whole.adapter)(secrets=SiteSecrets(files=files))
            (target,) = targets_for([whole])
            found = [json.loads(to_json(device)) for device in found_by(adapter, target)]
            assert found
            answer = Discovery(site=site, resource=whole, adapter=whole.adapter, devices=found)
            for line in lines_of(answer, known_trees(site)):
                # Serial numbers are learned; everything else was known.
                assert line.kind == "changed", line
                assert all(change.is_new for change in line.changes), line
