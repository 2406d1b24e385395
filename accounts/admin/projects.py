"""Institutions and projects at the desk."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin.rules import ForManagers
from accounts.models import Membership, Organisation, Project


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
