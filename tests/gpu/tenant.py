"""What a tenant can do to a card: write a mark over all of it, or look for one.

    python -m tests.gpu.tenant paint DEVICE MARK
    python -m tests.gpu.tenant look DEVICE MARK

A program of its own, which shares no line with the code that wipes. It prints how many bytes it had, and
how many of its 16-byte units are the mark.
"""

import ctypes
import sys

from cuda.bindings import driver

PIECE = 1 << 20


def call(function, *arguments):
    error, *given = getattr(driver, function)(*arguments)
    if error != driver.CUresult.CUDA_SUCCESS:
        raise SystemExit(f"{function}: {error.name}")
    return given[0] if given else None


def pieces_of_all_memory():
    size = 1 << 30
    while size >= PIECE:
        error, address = driver.cuMemAlloc(size)
        if error == driver.CUresult.CUDA_SUCCESS:
            for start in range(0, size, PIECE):
                yield int(address) + start
        else:
            size //= 2


def main(verb, device, mark):
    call("cuInit", 0)
    card = call("cuDeviceGet", 0) if "-" in device else call("cuDeviceGetByPCIBusId", device.encode())
    call("cuCtxSetCurrent", call("cuDevicePrimaryCtxRetain", card))
    had = found = 0
    buffer = ctypes.create_string_buffer(mark * (PIECE // len(mark)), PIECE)
    for address in pieces_of_all_memory():
        if verb == "paint":
            call("cuMemcpyHtoD", address, ctypes.addressof(buffer), PIECE)
        call("cuMemcpyDtoH", ctypes.addressof(buffer), address, PIECE)
        found += buffer.raw.count(mark)
        had += PIECE
    call("cuCtxSynchronize")
    sys.stdout.write(f"{had} {found}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]))
