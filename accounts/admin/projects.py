"""Institutions and projects at the desk."""

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin.rules import ForManagers
from accounts.memberships import What, record
from accounts.models import Membership, Organisation, Project, User


def save_memberships(formset: Any, *, actor: User) -> None:
    """Save who is in which project, and write each change down as the portal's own pages do."""
    now = timezone.now()
    formset.save()
    for membership in formset.new_objects:
        record(membership.project, membership.user, What.JOINED, actor=actor, now=now)
        if membership.role == Membership.Role.LEADER:
            record(membership.project, membership.user, What.BECAME_LEADER, actor=actor, now=now)
    for membership, fields in formset.changed_objects:
        if "role" in fields:
            leads = membership.role == Membership.Role.LEADER
            what = What.BECAME_LEADER if leads else What.BECAME_MEMBER
            record(membership.project, membership.user, what, actor=actor, now=now)
    for membership in formset.deleted_objects:
        record(membership.project, membership.user, What.REMOVED, actor=actor, now=now)


class MembershipInline(ForManagers, TabularInline):  # type: ignore[misc]
    """Who is in which project."""

    model = Membership
    fields = ("user", "project", "role", "expires_at", "source")
    readonly_fields = ("source",)
    autocomplete_fields = ("user", "project")
    extra = 0


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

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the people, with an event for each change."""
        save_memberships(formset, actor=cast(User, request.user))
