"""Public keys of one's own."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from accounts.keys import MOST_CHARACTERS, BadKey, add_ssh_key, remove_ssh_key
from accounts.models import SshKey
from accounts.scopes import Scope


class SshKeyShape(serializers.ModelSerializer[SshKey]):
    """A public key."""

    class Meta:
        model = SshKey
        fields = ["id", "name", "public_key", "fingerprint", "created_at"]
        read_only_fields = fields


class NewSshKey(serializers.Serializer[Any]):
    """A public key to add."""

    public_key = serializers.CharField(
        # Longer texts are refused by the reader, with words that fit.
        max_length=4 * MOST_CHARACTERS,
        help_text="One line, as in the file that ends in .pub; without options.",
    )
    name = serializers.CharField(
        max_length=100, required=False, allow_blank=True, help_text="Empty: the key's comment."
    )


class SshKeyDoor(mixins.ListModelMixin, mixins.DestroyModelMixin, Door[SshKey]):
    """Public keys that are put on the devices of your leases."""

    writes = Scope.KEYS

    queryset = SshKey.objects.all()
    serializer_class = SshKeyShape
    ordering = ("created_at", "id")

    def visible(self) -> QuerySet[SshKey]:
        """Return one's own keys."""
        return SshKey.objects.filter(user=self.person)

    def perform_destroy(self, instance: SshKey) -> None:
        """Forget the key and take it off the devices."""
        remove_ssh_key(instance)

    @extend_schema(request=NewSshKey, responses={201: SshKeyShape})
    def create(self, request: Request) -> Response:
        """Add a public key; it is put on the devices of present and future leases."""
        asked = self.read(NewSshKey)
        try:
            key = add_ssh_key(user=self.person, public_key=asked["public_key"], name=asked.get("name", ""))
        except BadKey as error:
            raise serializers.ValidationError({"public_key": [str(error)]}) from error
        return Response(SshKeyShape(key).data, status=status.HTTP_201_CREATED)
