"""NVIDIA BlueField-2 and -3, driven through their BMC by Redfish."""
