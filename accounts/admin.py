"""The desk of federation managers for *who*: nobody else sees any of it."""

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.keys import remove_ssh_key
from accounts.models import Membership, Organisation, PersonalToken, Project, SshKey, User


def is_manager(request: HttpRequest) -> bool:
    """Whether the person runs the federation."""
    return bool(request.user.is_active and request.user.is_superuser)


class ForManagers:
    """Permissions of what only federation managers see.

    They come from who somebody is, never from Django's table of permissions, where a tick could be forgotten.
    """

    may_add = may_change = may_delete = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Managers only."""
        return is_manager(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers only."""
        return is_manager(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers only."""
        return self.may_add and is_manager(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers only."""
        return self.may_change and is_manager(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers only."""
        return self.may_delete and is_manager(request)


class EmailInline(ForManagers, TabularInline):  # type: ignore[misc]
    """The addresses that a person signs in with."""

    model = EmailAddress
    fields = ("email", "verified", "primary")
    extra = 0


class MembershipInline(ForManagers, TabularInline):  # type: ignore[misc]
    """Who is in which project."""

    model = Membership
    autocomplete_fields = ("user", "project")
    extra = 0


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


@admin.register(User)
class PersonAdmin(ForManagers, UserAdmin, ModelAdmin):  # type: ignore[type-arg, misc]
    """People. Who must not get in any more is made inactive, which stops their scripts too."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (
            "Person",
            {"fields": ("first_name", "last_name", "email", "home_organisation", "time_zone")},
        ),
        ("Rights", {"fields": ("is_active", "is_superuser")}),
        ("Seen", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    list_display = ("username", "first_name", "last_name", "email", "home_organisation", "is_active")
    list_filter = ("is_active", "is_superuser", "home_organisation")
    list_select_related = ("home_organisation",)
    autocomplete_fields = ("home_organisation",)
    filter_horizontal = ()
    inlines = (EmailInline, MembershipInline, SshKeyInline, TokenInline)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[Any, ...]:
        """Begin with the account alone; the rest comes when it is there."""
        return self.inlines if obj is not None else ()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save what was changed beside the person; keys that are taken away leave the devices, too."""
        if formset.model is not SshKey:
            super().save_formset(request, form, formset, change)
            return
        formset.save(commit=False)
        for key in formset.deleted_objects:
            remove_ssh_key(key)


@admin.register(Organisation)
class OrganisationAdmin(ForManagers, ModelAdmin):  # type: ignore[misc]
    """Institutions."""

    list_display = ("name", "slug")
    search_fields = ("name", "slug")


@admin.register(Project)
class ProjectAdmin(ForManagers, ModelAdmin):  # type: ignore[misc]
    """Projects, with their people and their limits."""

    list_display = ("name", "slug", "organisation")
    list_filter = ("organisation",)
    list_select_related = ("organisation",)
    search_fields = ("name", "slug")
    autocomplete_fields = ("organisation",)
    inlines = (MembershipInline,)


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


# Django's groups decide nothing here, and addresses are shown with their person.
for unused in (Group, EmailAddress):
    if admin.site.is_registered(unused):
        admin.site.unregister(unused)
