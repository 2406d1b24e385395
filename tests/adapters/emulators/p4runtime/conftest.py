from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from adapters.emulators.p4runtime import P4RuntimeEmulator
from tests.adapters.emulators.p4runtime.controller import Controller, example_config


@pytest.fixture
def switch() -> Iterator[P4RuntimeEmulator]:
    with P4RuntimeEmulator() as running:
        yield running


@pytest.fixture
def bmv2() -> Iterator[P4RuntimeEmulator]:
    with P4RuntimeEmulator(personality="bmv2") as running:
        yield running


@pytest.fixture
def connect() -> Iterator[Callable[..., Controller]]:
    """Open connections that are closed after the test."""
    with ExitStack() as stack:
        yield lambda address, **how: stack.enter_context(Controller(address, **how))


@pytest.fixture
def primary(switch, connect) -> Controller:
    """A controller in control, with the example's program on the switch."""
    controller = connect(switch.address)
    assert controller.bid(10) == "OK"
    controller.push(example_config())
    return controller
