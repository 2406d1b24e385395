"""The stand-in against the package that it stands in for: names, structures, refusals."""

import re
from pathlib import Path

import pynvml
import pytest

import adapters.nvml
from adapters.emulators.nvml.build import FakeCard, header_folder
from adapters.emulators.nvml.profiles import A30, A100_40, A100_80, H100_80
from adapters.gpu.geometry import cuttable_model

H100 = "0000:65:00.0"
PACKAGE = Path(adapters.nvml.__file__).parent
CALLED = sorted(
    {
        name
        for file in PACKAGE.glob("*.py")
        for name in re.findall(r"pynvml\.(nvml[A-Z]\w+)", file.read_text())
        if callable(getattr(pynvml, name, None))
    }
)


@pytest.fixture
def handle(machine):
    machine(FakeCard(pci=H100))
    pynvml.nvmlInit()
    yield pynvml.nvmlDeviceGetHandleByIndex(0)
    pynvml.nvmlShutdown()


def test_the_package_calls_many_functions():
    assert len(CALLED) > 40
    assert "nvmlDeviceGetRemappedRows" in CALLED


@pytest.mark.parametrize("name", CALLED)
def test_every_function_that_is_called_is_in_the_stand_in(nvml_library, name):
    """pynvml asks for the symbols when it is called; here they are looked up in its source."""
    import ctypes
    import inspect

    function = getattr(pynvml, name)
    source = inspect.getsource(inspect.unwrap(function))
    symbols = re.findall(r'_nvmlGetFunctionPointer\("(\w+)"\)', source)
    library = ctypes.CDLL(str(nvml_library))
    # Of several versions the newest is asked for first.
    assert not symbols or any(hasattr(library, symbol) for symbol in symbols)


def test_every_exported_function_is_one_of_nvml(nvml_library):
    source = " ".join(file.read_text() for file in (PACKAGE.parent / "emulators/nvml/library").glob("*.c"))
    header = (header_folder() / "nvml.h").read_text()
    exported = set(re.findall(r"EXPORT [\w ]+\*? ?(nvml\w+)\(", source)) - {"nvmlDeviceSet", "nvmlDeviceReset"}

    assert len(exported) > 60
    assert [name for name in exported if not re.search(rf"\b{name}\(", header)] == []


def test_what_is_refused_is_refused_with_the_drivers_errors(handle, machine):
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetRetiredPagesPendingStatus(handle)
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceSetPowerManagementLimit(handle, 1)
    machine.now.change_host(root=False)
    with pytest.raises(pynvml.NVMLError_NoPermission):
        pynvml.nvmlDeviceSetComputeMode(handle, 0)
    with pytest.raises(pynvml.NVMLError_NoPermission):
        pynvml.nvmlDeviceSetMigMode(handle, 1)


def test_a_slice_in_use_or_filled_is_not_taken_away_and_places_are_given_once(handle, machine):
    from ctypes import byref

    pynvml.nvmlDeviceSetMigMode(handle, 1)
    place = pynvml.c_nvmlGpuInstancePlacement_t(0, 4)
    instance = pynvml.nvmlDeviceCreateGpuInstanceWithPlacement(handle, 9, byref(place))
    with pytest.raises(pynvml.NVMLError_InsufficientResources):
        pynvml.nvmlDeviceCreateGpuInstanceWithPlacement(handle, 9, byref(place))
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        odd = pynvml.c_nvmlGpuInstancePlacement_t(1, 4)
        pynvml.nvmlDeviceCreateGpuInstanceWithPlacement(handle, 9, byref(odd))
    compute = pynvml.nvmlGpuInstanceCreateComputeInstance(instance, 2)
    with pytest.raises(pynvml.NVMLError_InsufficientResources):
        pynvml.nvmlGpuInstanceCreateComputeInstance(instance, 0)
    with pytest.raises(pynvml.NVMLError_InUse):
        pynvml.nvmlGpuInstanceDestroy(instance)
    machine.now.start_process(0, 4711, 100, gpu_instance=1)
    with pytest.raises(pynvml.NVMLError_InUse):
        pynvml.nvmlComputeInstanceDestroy(compute)
    machine.now.end_process(4711)
    pynvml.nvmlComputeInstanceDestroy(compute)
    pynvml.nvmlGpuInstanceDestroy(instance)
    assert machine.now.things("gi") == machine.now.things("ci") == []


@pytest.mark.parametrize(
    ("model", "offered"),
    [
        ("NVIDIA A30", A30),
        ("NVIDIA A100-SXM4-40GB", A100_40),
        ("NVIDIA A100 80GB PCIe", A100_80),
        ("NVIDIA H100 80GB HBM3", H100_80),
    ],
)
def test_the_portals_table_agrees_with_what_cards_say(model, offered):
    """The stand-in's table was read from cards; the portal's follows the guide's rules."""
    known = {
        p.name: (p.compute_slices, p.memory_slices, p.max_count, p.starts)
        for p in cuttable_model(model).profiles
    }
    said = {p.name.removeprefix("MIG "): (p.slices, p.size, p.most, p.starts) for p in offered}

    assert known == said
