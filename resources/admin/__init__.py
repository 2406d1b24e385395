"""The desk of operators for *what*: their sites and devices."""

from resources.admin import resources, sites

__all__ = ["resources", "sites"]
