"""Cables: each as a row, and a site's all together as a text that is looked at before it counts."""

from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from accounts.models import User
from accounts.rules import reads_everything
from resources.cabling import say_speed, write_csv, write_text
from resources.errors import InventoryRefusal
from resources.models import Cable, Site
from resources.operated import OperatedAdmin, SiteFilter, operated_site_ids, operated_sites
from resources.services.cabling import (
    Changes,
    describe_cables,
    preview_cables,
    say_cable_error,
    sorted_wires,
)


class CableForm(forms.ModelForm):  # type: ignore[type-arg]
    """Tries the cable while it is checked: only the database knows which ports are free.

    The admin runs a form and what follows it in one transaction, so an error elsewhere takes it back.
    """

    class Meta:
        model = Cable
        fields: ClassVar = [
            "a",
            "a_port",
            "b",
            "b_port",
            "speed_gbps",
            "between_sites",
            "a_sets_vlan",
            "b_sets_vlan",
        ]

    def clean(self) -> dict[str, Any]:
        """Plug it in, or say what is in the way."""
        found = super().clean() or self.cleaned_data
        if self.errors:
            return found
        try:
            with transaction.atomic():
                for name, value in found.items():
                    setattr(self.instance, name, value)
                self.instance.save()
        except IntegrityError as error:
            raise forms.ValidationError(f"This cable cannot be: {say_cable_error(error)}") from error
        return found

    def _post_clean(self) -> None:
        # The database has checked it, in words that name the other cable.
        return


@admin.register(Cable)
class CableAdmin(OperatedAdmin):
    """What the person sees has an end at one of their sites; to change it, both ends have to be theirs."""

    form = CableForm
    to_site = "a__site"
    operators_may = frozenset({"view", "add", "change", "delete"})
    managers_may = operators_may
    list_display: ClassVar = ["one_end", "other_end", "speed", "between_sites"]
    list_filter: ClassVar = [SiteFilter]
    list_select_related: ClassVar = ["a__site", "b__site"]
    list_before_template = "admin/cables/list.html"
    search_fields: ClassVar = ["a__name", "b__name", "a_port", "b_port"]
    ordering: ClassVar = ["a__site__name", "a__name", "a_port"]
    autocomplete_fields: ClassVar = ["a", "b"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the cables with an end at one of the person's sites."""
        found = Cable.objects.all()
        return found if reads_everything(cast(User, request.user)) else self.of_operator(request, found)

    def of_operator(self, request: HttpRequest, found: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the cables with an end at one of the person's sites."""
        mine = operated_site_ids(request)
        return found.filter(Q(a__site__in=mine) | Q(b__site__in=mine))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether both ends are theirs."""
        return super().has_change_permission(request, obj) and self._has_both(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether both ends are theirs."""
        return super().has_delete_permission(request, obj) and self._has_both(request, obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        """Say what goes with it: nothing that has a page. Reservations keep the VLAN that they have."""
        return [str(cable) for cable in objs], {"cables": len(objs)}, set(), []

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Leave it: the form has written it."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page of the text."""
        wrap = self.admin_site.admin_view
        return [
            path("describe/", wrap(self.choose_site), name="cables"),
            path("describe/<slug:slug>/", wrap(self.describe), name="cables_of_site"),
            *super().get_urls(),
        ]

    def choose_site(self, request: HttpRequest) -> HttpResponse:
        """Go to the person's first site."""
        site = operated_sites(request).first()
        if site is None:
            raise Http404("There is no site yet; a federation manager adds one under “Sites”.")
        return redirect("admin:cables_of_site", site.slug)

    def describe(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show a site's cables as a text, what a changed text would do, and do it."""
        site = operated_sites(request).filter(slug=slug).first()
        if site is None:
            raise PermissionDenied
        if request.GET.get("as") == "csv":
            answer = HttpResponse(write_csv(sorted_wires(site)), content_type="text/csv; charset=utf-8")
            answer["Content-Disposition"] = f'attachment; filename="cables-{site.slug}.csv"'
            return answer
        text, changes, problem = write_text(sorted_wires(site)), None, ""
        if request.method == "POST":
            text = request.POST.get("text", "")
            actor = cast(User, request.user)
            try:
                if request.POST.get("do") == "apply":
                    done = describe_cables(site=site, text=text, actor=actor)
                    messages.success(request, f"{_counted(done)}.")
                    return redirect("admin:cables_of_site", site.slug)
                changes = preview_cables(site=site, text=text, actor=actor)
            except InventoryRefusal as refusal:
                problem = refusal.message
        return render(
            request, "admin/cables/describe.html", self._context(request, site, text, changes, problem)
        )

    @display(description="One end", ordering="a__name")
    def one_end(self, cable: Cable) -> str:
        """Name device and port."""
        return f"{cable.a} {cable.a_port}"

    @display(description="Other end", ordering="b__name")
    def other_end(self, cable: Cable) -> str:
        """Name device and port."""
        return f"{cable.b} {cable.b_port}"

    @display(description="Speed", ordering="speed_gbps")
    def speed(self, cable: Cable) -> str:
        """Say how fast it is."""
        return say_speed(cable.speed_gbps) if cable.speed_gbps else "–"

    def _has_both(self, request: HttpRequest, row: Model | None) -> bool:
        if row is None or cast(User, request.user).is_federation_manager:
            return True
        cable = cast(Cable, row)
        return {cable.a.site_id, cable.b.site_id} <= operated_site_ids(request)

    def _context(
        self, request: HttpRequest, site: Site, text: str, changes: Changes | None, problem: str
    ) -> dict[str, Any]:
        others = operated_sites(request).exclude(pk=site.pk)
        return {
            **self.admin_site.each_context(request),
            "title": f"Cables of {site}",
            "site": site,
            "sites": others,
            "text": text,
            "changes": changes,
            "counted": _counted(changes) if changes else "",
            "problem": problem,
            "lines": max(6, min(24, text.count("\n") + 3)),
            "list_url": reverse("admin:resources_cable_changelist"),
        }


def _counted(changes: Changes) -> str:
    words = [
        f"{len(rows)} {word}"
        for rows, word in ((changes.added, "added"), (changes.removed, "removed"), (changes.changed, "changed"))
        if rows
    ]
    return ", ".join(words) or "Nothing changes"
