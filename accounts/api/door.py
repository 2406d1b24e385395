"""What all doors of the REST API share."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar, cast

from django.db.models import Model, QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.scopes import Scope

M = TypeVar("M", bound=Model)

EARLIEST_YEAR, LATEST_YEAR = 2000, 2199


class Moment(serializers.DateTimeField):
    """A moment with its zone. One without is refused, where the framework would guess."""

    default_error_messages = {
        "naive": "Give the time with its zone, such as 2030-01-31T14:00:00+01:00.",
        "absurd": f"Give a year between {EARLIEST_YEAR} and {LATEST_YEAR}.",
        "invalid": "Write the time like 2030-01-31T14:00:00Z.",
        "overflow": f"Give a year between {EARLIEST_YEAR} and {LATEST_YEAR}.",
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        """Refuse a naive moment; return the others in UTC."""
        if value.tzinfo is None:
            self.fail("naive")
        if not EARLIEST_YEAR <= value.year <= LATEST_YEAR:
            self.fail("absurd")
        return super().enforce_timezone(value)


class Door(GenericViewSet[M], Generic[M]):
    """A view that shows a person what is theirs to see.

    Reading needs a token's scope `read`. What changes something needs the scope in `writes`, or the one that
    `scopes` names for the verb.
    """

    writes: ClassVar[Scope] = Scope.BOOK
    scopes: ClassVar[Mapping[str, Scope]] = {}

    @property
    def person(self) -> User:
        """Who asks."""
        return cast(User, self.request.user)

    def visible(self) -> QuerySet[M]:
        """Return what the person may see; whatever else there is, is not there for them."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[M]:
        """Return what the person may see; nothing while the schema is being drawn."""
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset().none()
        return self.visible()

    def read(self, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Return the request's body in a shape; raises with an error per field."""
        return cast(dict[str, Any], _ready(shape).run_validation(self.request.data))

    def read_query(self, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Return the address's parameters in a shape; raises with an error per field."""
        return cast(dict[str, Any], _ready(shape).run_validation(self.request.query_params.dict()))

    @property
    def now(self) -> datetime:
        """The moment of the request; doors hand it on, nothing below reads a clock."""
        if not hasattr(self, "_now"):
            self._now = timezone.now()
        return self._now


@cache
def _ready(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return a shape to read with. It keeps nothing between calls, and making one copies all its fields."""
    return shape()
