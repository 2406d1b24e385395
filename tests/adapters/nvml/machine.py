"""A machine with pretended cards."""

from collections.abc import Callable

import pytest

from adapters.emulators.nvml.build import STATE_VARIABLE, CannotBuild, build, preload, write_machine


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """The stand-in for libnvidia-ml.so.1, loaded into this process under its usual name."""
    try:
        library = build(tmp_path_factory.mktemp("nvml"))
    except CannotBuild as problem:
        pytest.skip(str(problem))
    preload(library)
    return library


@pytest.fixture
def machine(nvml_library, tmp_path, monkeypatch) -> Callable[..., None]:
    """Say which cards the machine has; may be said again at any time."""
    state = tmp_path / "machine"
    monkeypatch.setenv(STATE_VARIABLE, str(state))

    def has(*cards) -> None:
        write_machine(state, cards)

    has()
    return has
