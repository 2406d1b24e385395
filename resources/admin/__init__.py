"""The desk of operators for *what*: their sites and devices."""

from resources.admin import cables, prices, resources, sites

__all__ = ["cables", "prices", "resources", "sites"]
