"""How the REST API describes itself: what every operation has in common."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from reservations.api.refusals import FreeWindow, WishRefusalShape
from shary_portal.idempotency import HEADER, MOST_CHARACTERS
from shary_portal.problems import CONTENT_TYPE


class Problem(serializers.Serializer[Any]):
    """Why a request was refused (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(allow_blank=True, help_text="For people.")
    code = serializers.CharField(help_text="For programs: stable, one for each kind of refusal.")
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False,
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What is wrong with each field.",
    )
    refusals = WishRefusalShape(many=True, required=False, help_text="`cannot_book`: why, for each resource.")
    alternatives = FreeWindow(
        many=True, required=False, help_text="`cannot_book`: the nearest windows that work."
    )
    never = serializers.BooleanField(required=False, help_text="`cannot_book`: no window would ever work.")
    leases = serializers.ListField(
        required=False, child=serializers.UUIDField(), help_text="`leases_in_the_way`: those in the way."
    )


REFUSALS = {
    "400": "Something in the request is not right.",
    "401": "Nobody is signed in.",
    "403": "The caller may not do this.",
    "404": "There is no such thing, or it is not the caller's to see.",
    "409": "The portal understood, and it cannot be: the calendar or the state is against it.",
    "413": "The request is too large.",
    "415": "The request is of a kind that is not read here.",
    "422": "The Idempotency-Key was used for another request.",
}
ONLY_WHEN_CHANGING = {"409", "413", "415", "422"}


class PortalSchema(AutoSchema):
    """Adds to every operation how it is refused, and to every POST its key."""

    def get_override_parameters(self) -> list[Any]:
        """Add the key under which a POST can be repeated."""
        if self.method != "POST":
            return []
        return [
            OpenApiParameter(
                HEADER,
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="The same key with the same request gets the same answer, and nothing is done twice."
                f" At most {MOST_CHARACTERS} characters.",
            )
        ]

    def get_tags(self) -> list[str]:
        """Group by the noun in the address: /api/v1/<noun>/…"""
        parts = self.path.strip("/").split("/")
        return [parts[2]] if len(parts) > 2 else ["portal"]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(Problem(), "response")
        for code, description in REFUSALS.items():
            if code in ONLY_WHEN_CHANGING and self.method == "GET":
                continue
            bodies.setdefault(
                code, {"description": description, "content": {CONTENT_TYPE: {"schema": problem.ref}}}
            )
        return bodies


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Personal tokens."""

    target_class = "accounts.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Describe `Authorization: Bearer shy_…`."""
        return {"type": "http", "scheme": "bearer", "description": "A personal token, made under Keys."}
