"""What can be done to a lease or a reservation: each verb is one service, asked once for each row.

A verb is carried out by POST alone. Its page says what will happen and asks for the reason; the list of the
admin leads to the same page for many rows at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import User
from reservations.errors import NeedsSecondPerson, Refusal
from resources.operated import OperatedAdmin, may_act


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Something that an operator can do."""

    name: str
    title: str
    done: str
    """What is said of a row for which it worked."""
    explains: str
    """What happens, in a sentence, before it does."""
    run: Callable[[Any, User, str, datetime], object]
    """The service, given the row, who asks, the reason and the time."""
    fits: Callable[[Any], bool]
    """Whether the row is in a state in which the button helps. The service decides by itself."""
    asks: str = ""
    """What the field for the reason is called; empty where none is asked."""
    needs_reason: bool = False
    is_grave: bool = False


class VerbsAdmin(OperatedAdmin):
    """Rows that only services change: read-only, with a button and an action for each verb."""

    verbs: ClassVar[Sequence[Verb]] = ()
    change_form_outer_before_template = "admin/verbs.html"

    def get_urls(self) -> list[URLPattern]:
        """Add a page for each verb."""
        pages = [
            path(
                f"<uuid:row_id>/{verb.name}/",
                self.admin_site.admin_view(partial(self._page, verb=verb)),
                name=f"{self._prefix}_{verb.name}",
            )
            for verb in self.verbs
        ]
        return [*pages, *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Add an action for each verb."""
        actions = cast("dict[str, Any]", super().get_actions(request))
        if may_act(request) and (actions or self.has_view_permission(request)):
            actions |= {verb.name: (_selected(verb), verb.name, verb.title) for verb in self.verbs}
        return actions

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row with the buttons that help in its state."""
        row = self.get_object(request, object_id)
        buttons = (
            [(verb, self.address_of(verb, row.pk)) for verb in self.verbs if verb.fits(row)]
            if row and may_act(request)
            else []
        )
        context = {"verb_buttons": buttons} | (extra_context or {})
        return cast(HttpResponse, super().change_view(request, object_id, form_url, context))

    def address_of(self, verb: Verb, row_id: UUID) -> str:
        """Return the address of the verb's page."""
        return reverse(f"admin:{self._prefix}_{verb.name}", args=[row_id])

    def wish_for(self, verb: Verb, row: Model) -> Any:
        """Return what somebody else asked for and this would confirm; for rows that know of such."""
        return None

    @property
    def _prefix(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _page(self, request: HttpRequest, row_id: UUID, *, verb: Verb) -> HttpResponse:
        row = self.get_queryset(request).filter(pk=row_id).first()
        if row is None:
            raise Http404("There is no such row, or it belongs to another site.")
        page = reverse(f"admin:{self._prefix}_change", args=[row_id])
        if "today" in (request.GET.get("from"), request.POST.get("from")):
            page = reverse("admin:index")
        return self.carry_out(request, verb, [row], back=page) or redirect(page)

    def carry_out(
        self, request: HttpRequest, verb: Verb, rows: Sequence[Model], *, back: str, selected: bool = False
    ) -> HttpResponse | None:
        """Do it if that was confirmed, and say of each row what came of it; else return the page that asks."""
        if not may_act(request) or not all(self.has_view_permission(request, row) for row in rows):
            raise PermissionDenied
        reason = request.POST.get("reason", "").strip()
        confirmed = request.method == "POST" and "confirmed" in request.POST
        lacks_reason = verb.needs_reason and not reason
        if confirmed and not lacks_reason:
            for row in rows:
                self._do(request, verb, row, reason)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": verb.title,
            "opts": self.opts,
            "verb": verb,
            "rows": rows,
            "back": back,
            "reason": reason,
            "lacks_reason": confirmed and lacks_reason,
            "checkbox": ACTION_CHECKBOX_NAME,
            "selected": selected,
            "came_from": request.GET.get("from", ""),
            "wish": self.wish_for(verb, rows[0]) if len(rows) == 1 else None,
        }
        return TemplateResponse(request, "admin/verb.html", context)

    def _do(self, request: HttpRequest, verb: Verb, row: Model, reason: str) -> None:
        try:
            verb.run(row, cast(User, request.user), reason, timezone.now())
        except NeedsSecondPerson as refusal:
            messages.warning(request, f"{row}: {refusal.message}")
        except Refusal as refusal:
            messages.error(request, f"{row}: {refusal.message}")
        else:
            messages.success(request, f"{row}: {verb.done}.")


def _selected(verb: Verb) -> Callable[[VerbsAdmin, HttpRequest, QuerySet[Any]], HttpResponse | None]:
    def act(admin: VerbsAdmin, request: HttpRequest, found: QuerySet[Any]) -> HttpResponse | None:
        return admin.carry_out(request, verb, list(found), back=request.get_full_path(), selected=True)

    return act
