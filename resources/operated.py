"""What operators see and may do in the admin: what belongs to their sites, and nothing else.

The admin of Django knows models, not tenants. Here the rights come from `resources.rules` alone; the table
of permissions is not asked, so that there is no second place to keep in step. Auditors see what managers see,
and change nothing.
"""

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.models import User
from accounts.rules import Role, federation_roles, reads_everything
from resources.models import Site
from resources.rules import operable_sites, operates, watched_sites

READ = frozenset({"view"})
WRITE = frozenset({"view", "add", "change", "delete"})


def operated_site_ids(request: HttpRequest) -> frozenset[int]:
    """Return the sites that the person operates; asked of the database once per request."""
    kept = cast(Any, request)
    if not hasattr(kept, "operated_site_ids"):
        kept.operated_site_ids = frozenset(operates(cast(User, request.user)).values_list("pk", flat=True))
    return cast("frozenset[int]", kept.operated_site_ids)


def may_enter_desk(request: HttpRequest) -> bool:
    """Whether the person has anything to do in the admin: they run or audit the federation, or run a site."""
    user = request.user
    if not (user.is_active and user.is_authenticated):
        return False
    return bool(reads_everything(user) or operated_site_ids(request))


def may_act(request: HttpRequest) -> bool:
    """Whether the person does anything in the admin but read."""
    return bool(Role.MANAGER in federation_roles(cast(User, request.user)) or (operated_site_ids(request)))


def operated_sites(request: HttpRequest) -> QuerySet[Site]:
    """Return the sites whose inside the person sees, and for anything but looking, those that they run."""
    user = cast(User, request.user)
    return watched_sites(user) if request.method in {"GET", "HEAD"} else operable_sites(user)


class OperatedAdmin(ModelAdmin):  # type: ignore[misc]
    """Shows operators the rows of their sites, and federation managers all."""

    to_site: ClassVar[str]
    """The lookup from a row to its site, such as `resource__site`."""
    operators_may: ClassVar[frozenset[str]] = READ
    managers_may: ClassVar[frozenset[str]] = READ
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that are the person's to see: lists, pages, actions and choices all begin here."""
        found: QuerySet[Any] = super().get_queryset(request)
        if reads_everything(cast(User, request.user)):
            return found
        return self.of_operator(request, found)

    def of_operator(self, request: HttpRequest, found: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that belong to sites of which the person is an operator."""
        # By a subquery: a row that belongs to two of the person's sites must not appear twice.
        theirs = self.model.objects.filter(**{f"{self.to_site}__in": operated_site_ids(request)})
        return found.filter(pk__in=theirs.order_by().values("pk"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether there is anything to see."""
        return self._may(request, "view", None)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the person may see the row, or rows of this sort."""
        return self._may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the person may add a row."""
        return self._may(request, "add", None)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the person may change the row, or rows of this sort."""
        return self._may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the person may remove the row, or rows of this sort."""
        return self._may(request, "delete", obj)

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        """Offer, and accept, only what the person may see."""
        related = db_field.remote_field.model
        if "queryset" not in kwargs and self.admin_site.is_registered(related):
            theirs = self.admin_site.get_model_admin(related)
            seen = theirs.get_queryset(request)
            kwargs["queryset"] = seen if theirs.has_view_permission(request) else seen.none()
        return cast(
            "ModelChoiceField[Any] | None", super().formfield_for_foreignkey(db_field, request, **kwargs)
        )

    def _may(self, request: HttpRequest, verb: str, row: Model | None) -> bool:
        if not may_enter_desk(request):
            return False
        roles = federation_roles(cast(User, request.user))
        if Role.MANAGER in roles:
            return verb in self.managers_may
        if roles and verb == "view":
            return verb in self.managers_may
        if verb not in self.operators_may or not operated_site_ids(request):
            return False
        return row is None or self._is_theirs(request, row)

    def _is_theirs(self, request: HttpRequest, row: Model) -> bool:
        kept = cast(Any, request)
        if not hasattr(kept, "rows_looked_up"):
            kept.rows_looked_up = {}
        answers: dict[tuple[type[Model], Any], bool] = kept.rows_looked_up
        key = (self.model, row.pk)
        if key not in answers:
            answers[key] = self.of_operator(request, self.model.objects.filter(pk=row.pk)).exists()
        return answers[key]


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows that are shown with what they belong to. Whoever sees that sees them, and nobody changes them."""

    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Seen with what it belongs to."""
        return may_enter_desk(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False


class SiteFilter(admin.SimpleListFilter):
    """Narrows a list to one of the person's own sites; Django's filter would name everybody's."""

    title = "site"
    parameter_name = "site"

    def __init__(self, request: HttpRequest, params: Any, model: type[Model], model_admin: Any) -> None:
        self.to_site = model_admin.to_site
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the sites; one alone needs no filter."""
        sites = list(operated_sites(request).values_list("slug", "name"))
        return sites if len(sites) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the chosen site."""
        return queryset.filter(**{f"{self.to_site}__slug": self.value()}) if self.value() else queryset
