"""An emulated BlueField BMC that speaks Redfish over HTTPS."""

from adapters.emulators.redfish.server import RedfishEmulator

__all__ = ["RedfishEmulator"]
