"""What an instance uses while it is lent, tried on the emulated server and on the real daemon."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from adapters.emulators.lxd.load import load_of
from adapters.emulators.lxd.nouns import Instance
from adapters.gpu_lxd.instance import Card
from adapters.gpu_lxd.load import why_unmeasured
from adapters.gpu_lxd.settings import settings_of
from tests.adapters.gpu_lxd.conftest import H100


@pytest.fixture(params=["emulator", "daemon"])
def server(request):
    return request.getfixturevalue("emulated_server" if request.param == "emulator" else "real_server")


def test_an_instance_that_is_lent_tells_what_it_uses_and_one_that_is_off_does_not(adapter, target, order_for):
    order = order_for(target)
    assert not any(name.startswith(("cpu", "instance")) for name in adapter.observe(target).measurements)
    adapter.provision(order)
    adapter.admit(order)
    first = adapter.observe(target).measurements
    assert first["instance_memory_used_mib"] > 0
    assert first["instance_processes"] >= 1
    again = adapter.observe(target).measurements
    assert again["cpu_seconds_total"] >= first["cpu_seconds_total"] >= 0
    adapter.isolate(order)
    assert not any(name.startswith(("cpu", "instance")) for name in adapter.observe(target).measurements)


def test_the_load_of_a_card_that_cannot_be_told_says_why(adapter, target):
    assert "another machine" in adapter.observe(target).unmeasured


@pytest.mark.parametrize(
    ("changes", "card", "measured", "why"),
    [
        ({"nvml_is_local": True}, {}, {"utilisation_percent": 3.0}, ""),
        ({"nvml_is_local": True}, {"driver": "vfio-pci"}, {}, "inside a virtual machine"),
        ({}, {"driver": "vfio-pci"}, {}, "inside a virtual machine"),
        ({}, {}, {}, "another machine"),
        ({"nvml_is_local": True}, {}, {}, "does not tell"),
        ({"nvml_is_local": True, "mig_uuid": "MIG-1"}, {}, {"memory_used_mib": 3.0}, "not of slices"),
    ],
)
def test_why_it_is_not_measured(target, changes, card, measured, why):
    settings = settings_of(target.settings | changes)
    known = {H100: Card(pci=H100, model="H100", **card)}
    found = why_unmeasured(settings, known, measured)
    assert why in found
    assert bool(found) == bool(why)


def test_an_emulated_job_takes_time_that_never_falls_and_memory_that_a_card_host_has():
    instance = Instance(name="shary-1", project="default", running=True)
    began = datetime.fromisoformat(instance.created_at)
    loads = [load_of(instance, now=began + timedelta(seconds=30 * step)) for step in range(200)]
    times = [load["cpu"]["usage"] for load in loads]
    assert times == sorted(times)
    cores = [(later - earlier) / 30e9 for earlier, later in itertools.pairwise(times)]
    assert max(cores) > 1
    assert min(cores) < 0.5, "it rests now and then"
    assert all(2**28 < load["memory"]["usage"] < 2**34 for load in loads)
    instance.running = False
    assert load_of(instance, now=datetime.now(UTC))["processes"] == 0
