"""Tokens of one's own."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door, Moment
from accounts.models import PersonalToken
from accounts.scopes import Scope
from accounts.tokens import LONGEST, issue_token

MOST_TOKENS = 100
DEFAULT_SCOPES = (Scope.READ, Scope.BOOK)


class TokenShape(serializers.ModelSerializer[PersonalToken]):
    """A token, without the secret that only its owner has."""

    class Meta:
        model = PersonalToken
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"]
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
    expires_at = Moment(required=False, allow_null=True, help_text="At most a year ahead. Left out: 90 days.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[(scope.value, scope.value) for scope in Scope]),
        required=False,
        allow_empty=False,
        max_length=len(Scope),
        help_text="What it is for. Left out: “read” and “book”.",
    )


class TokenDoor(mixins.ListModelMixin, mixins.DestroyModelMixin, Door[PersonalToken]):
    """Tokens by which scripts act for you: `Authorization: Bearer shy_…`."""

    writes = Scope.KEYS

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
        if expires_at is not None and expires_at > self.now + LONGEST:
            raise serializers.ValidationError(
                {"expires_at": [_("A token lasts a year at most; choose an earlier moment.")]}
            )
        scopes = {Scope(each) for each in asked.get("scopes", DEFAULT_SCOPES)}
        if isinstance(request.auth, PersonalToken) and not scopes <= set(request.auth.scopes):
            raise serializers.ValidationError(
                {"scopes": [_("A token makes no token that may do more than itself; leave scopes out.")]}
            )
        if self.visible().count() >= MOST_TOKENS:
            raise serializers.ValidationError(
                {"name": [f"You have {MOST_TOKENS} tokens; revoke those that you no longer use."]}
            )
        token, text = issue_token(user=self.person, name=asked["name"], expires_at=expires_at, scopes=scopes)
        return Response(TokenShape(token).data | {"token": text}, status=status.HTTP_201_CREATED)
