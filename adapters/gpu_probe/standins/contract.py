"""All that the probe needs of what the portal and the sites share."""

from adapters.contract.values import Check

__all__ = ["Check"]
