"""PCI addresses in one form, however a tool writes them."""

import re

_ADDRESS = re.compile(
    r"(?:(?P<domain>[0-9a-f]{1,8}):)?(?P<bus>[0-9a-f]{1,2}):(?P<device>[0-9a-f]{1,2})\.(?P<function>[0-7])"
)


def normal_form(address: str) -> str:
    """Return the address as the kernel writes it: `0000:65:00.0`.

    NVML writes eight digits of domain, operators often none. Raises ValueError for anything else.
    """
    found = _ADDRESS.fullmatch(address.strip().lower())
    if found is None:
        raise ValueError(f"“{address}” is not a PCI address. Write it like 0000:65:00.0, as lspci -D does.")
    domain = int(found["domain"] or "0", 16)
    return f"{domain:04x}:{int(found['bus'], 16):02x}:{int(found['device'], 16):02x}.{found['function']}"
