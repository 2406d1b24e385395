"""A switch to test with: an emulated one, or a real one whose address is in the environment."""

import os
from collections.abc import Iterator

import pytest

from adapters.contract import Artefact, Target
from adapters.emulators.p4runtime import P4RuntimeEmulator, example
from adapters.p4_switch.adapter import P4Switch
from tests.adapters.p4_switch.outside import Outside, OutsideOfEmulator

REAL_SWITCH = os.environ.get("SHARY_TEST_P4_SWITCH", "")


@pytest.fixture
def adapter(secrets_of) -> P4Switch:
    return P4Switch(secrets=secrets_of({}))


@pytest.fixture
def switch() -> Iterator[P4RuntimeEmulator]:
    with P4RuntimeEmulator() as running:
        yield running


@pytest.fixture
def device(request) -> Outside:
    if REAL_SWITCH:
        return Outside(REAL_SWITCH)
    return OutsideOfEmulator(request.getfixturevalue("switch"))


@pytest.fixture
def target(device: Outside) -> Target:
    return target_at(device.address, answer_timeout_s=5.0 if REAL_SWITCH else 0.8)


@pytest.fixture
def artefacts() -> tuple[Artefact, ...]:
    return example_artefacts()


def target_at(address: str, **settings: object) -> Target:
    host, _, port = address.rpartition(":")
    return Target(
        resource_id="0b7a8e3c-5e0e-4d0e-9d5f-6a3c1f0d2b11",
        name="switch-1",
        kind="p4_switch",
        adapter="p4_switch",
        settings={"host": host, "port": int(port), "device_id": 1} | settings,
        attributes={"model": "P4Runtime emulator", "ports": 32},
    )


def example_artefacts() -> tuple[Artefact, ...]:
    return (
        artefact("p4info", example.P4INFO.read_bytes()),
        artefact("device_config", example.DEVICE_CONFIG.read_bytes()),
    )


def artefact(name: str, content: bytes) -> Artefact:
    import hashlib

    return Artefact(
        name=name, filename=f"{name}.bin", sha256=hashlib.sha256(content).hexdigest(), content=content
    )
