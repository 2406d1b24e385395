"""Devices that speak the real protocol: for the quickstart, for tests, as the model to copy."""
