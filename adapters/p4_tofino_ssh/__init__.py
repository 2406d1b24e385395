"""Tofino switches whose control processor opens by ssh to one tenant at a time."""
