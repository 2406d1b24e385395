"""People at the desk."""

from typing import Any, cast

from allauth.account.models import EmailAddress
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.admin.keys import SshKeyInline, TokenInline
from accounts.admin.projects import MembershipInline, save_memberships
from accounts.admin.rules import ForManagers
from accounts.keys import remove_ssh_key
from accounts.models import Membership, SshKey, User
from accounts.second_factor import reset_second_factor


class EmailInline(ForManagers, TabularInline):  # type: ignore[misc]
    """The addresses that a person signs in with."""

    model = EmailAddress
    fields = ("email", "verified", "primary")
    extra = 0


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
            {"fields": ("first_name", "last_name", "email", "home_organisation", "time_zone", "language")},
        ),
        ("Rights", {"fields": ("is_active", "is_superuser", "is_auditor")}),
        ("Seen", {"fields": ("last_login", "date_joined", "second_factor_since")}),
    )
    readonly_fields = ("last_login", "date_joined", "second_factor_since")
    list_display = ("username", "first_name", "last_name", "email", "home_organisation", "is_active")
    list_filter = ("is_active", "is_superuser", "is_auditor", "home_organisation")
    list_select_related = ("home_organisation",)
    autocomplete_fields = ("home_organisation",)
    filter_horizontal = ()
    actions = ("take_second_factor",)
    inlines = (EmailInline, MembershipInline, SshKeyInline, TokenInline)

    @admin.action(description=_("Take away the second factor"), permissions=["change"])
    def take_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let people who lost theirs set up another; their rights over what is others' rest until then."""
        for person in queryset:
            taken = reset_second_factor(user=person)
            self.log_change(request, person, f"Took away {taken} second factors")
            messages.success(request, _("%(person)s has no second factor any more.") % {"person": person})

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[Any, ...]:
        """Begin with the account alone; the rest comes when it is there."""
        return self.inlines if obj is not None else ()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save what was changed beside the person; keys that are taken away leave the devices, too."""
        if formset.model is Membership:
            save_memberships(formset, actor=cast(User, request.user))
            return
        if formset.model is not SshKey:
            super().save_formset(request, form, formset, change)
            return
        formset.save(commit=False)
        for key in formset.deleted_objects:
            remove_ssh_key(key)
