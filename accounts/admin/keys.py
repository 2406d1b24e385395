"""Keys and tokens at the desk: found and taken away, never added."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin.rules import ForManagers
from accounts.keys import remove_ssh_key
from accounts.models import PersonalToken, SshKey


class SshKeyInline(ForManagers, TabularInline):  # type: ignore[misc]
    """Public keys: their owners add them, managers can take them away."""

    model = SshKey
    fields = readonly_fields = ("name", "fingerprint", "created_at")
    extra = 0
    may_add = may_change = False


class TokenInline(ForManagers, TabularInline):  # type: ignore[misc]
    """Tokens of scripts: they can be revoked here. Nothing that opens anything is shown, nor even kept."""

    model = PersonalToken
    fields = readonly_fields = ("name", "created_at", "expires_at", "last_used_at")
    extra = 0
    may_add = may_change = False


@admin.register(SshKey)
class SshKeyAdmin(ForManagers, ModelAdmin):  # type: ignore[misc]
    """All public keys, to find whose a fingerprint is."""

    list_display = ("fingerprint", "name", "user", "created_at")
    list_select_related = ("user",)
    search_fields = ("fingerprint", "name", "user__username", "user__email")
    fields = ("user", "name", "fingerprint", "public_key", "created_at")
    may_add = may_change = False

    def delete_model(self, request: HttpRequest, obj: SshKey) -> None:
        """Forget the key, on the devices, too."""
        remove_ssh_key(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SshKey]) -> None:
        """Forget the keys, on the devices, too."""
        for key in queryset.select_related("user"):
            remove_ssh_key(key)
