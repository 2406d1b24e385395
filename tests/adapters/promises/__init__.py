"""The promises of an adapter, a module for each part; `conformance.py` puts them together."""
