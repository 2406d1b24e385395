"""Refusals about the inventory. Each names the thing, the cause and the way out."""

from collections.abc import Mapping


class InventoryRefusal(Exception):
    """The inventory stays as it is."""

    def __init__(self, message: str, errors: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.errors = dict(errors or {})
        """What is wrong with each field, where it is about fields."""


class NotTheirSite(InventoryRefusal):
    """The person does not operate the site."""


class NothingToDecide(InventoryRefusal):
    """The line is not there any more: somebody was quicker, or the inventory was changed by hand."""


class CannotAsk(InventoryRefusal):
    """The question makes no sense as it stands."""
