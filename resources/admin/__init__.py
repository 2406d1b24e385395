"""The desk of operators for *what*: their sites and devices."""

from resources.admin import cables, resources, sites

__all__ = ["cables", "resources", "sites"]
