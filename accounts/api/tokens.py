"""Tokens of one's own."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door, Moment
from accounts.models import PersonalToken
from accounts.tokens import issue_token

MOST_TOKENS = 100


class TokenShape(serializers.ModelSerializer[PersonalToken]):
    """A token, without the secret that only its owner has."""

    class Meta:
        model = PersonalToken
        fields = ["id", "name", "prefix", "created_at", "expires_at", "last_used_at"]
        read_only_fields = fields


class IssuedToken(TokenShape):
    """A new token, with its secret: shown this once, kept nowhere."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenShape.Meta):
        fields = [*TokenShape.Meta.fields, "token"]
        read_only_fields = fields


class NewToken(serializers.Serializer[Any]):
    """A token to make."""

    name = serializers.CharField(max_length=100, help_text="What will use it: “nightly run”.")
    expires_at = Moment(required=False, allow_null=True, help_text="Left out: it does not expire.")


class TokenDoor(mixins.ListModelMixin, mixins.DestroyModelMixin, Door[PersonalToken]):
    """Tokens by which scripts act for you: `Authorization: Bearer shy_…`."""

    queryset = PersonalToken.objects.all()
    serializer_class = TokenShape
    ordering = ("-created_at", "id")

    def visible(self) -> QuerySet[PersonalToken]:
        """Return one's own tokens."""
        return PersonalToken.objects.filter(user=self.person)

    @extend_schema(request=NewToken, responses={201: IssuedToken})
    def create(self, request: Request) -> Response:
        """Make a token; the answer shows it, once."""
        asked = self.read(NewToken)
        expires_at = asked.get("expires_at")
        if expires_at is not None and expires_at <= self.now:
            raise serializers.ValidationError({"expires_at": ["This is in the past; choose a later moment."]})
        if self.visible().count() >= MOST_TOKENS:
            raise serializers.ValidationError(
                {"name": [f"You have {MOST_TOKENS} tokens; revoke those that you no longer use."]}
            )
        token, text = issue_token(user=self.person, name=asked["name"], expires_at=expires_at)
        return Response(TokenShape(token).data | {"token": text}, status=status.HTTP_201_CREATED)
