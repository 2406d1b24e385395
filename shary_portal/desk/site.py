"""Who enters the admin, under which policy, and what they see first."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from zoneinfo import ZoneInfo

from csp.decorators import csp_update
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.sites import UnfoldAdminSite

from accounts.confirming import confirm_at, confirmed_recently
from accounts.models import User
from reservations.selectors.today import today_for
from reservations.words import zone_of
from resources.operated import may_act, may_enter_desk

View = Callable[..., HttpResponse]

# The admin's theme is built on Alpine, which compiles the expressions in its attributes (`unsafe-eval`), and
# it writes its colours into the page (`unsafe-inline`, for styles alone). Scripts still come from here only,
# and inline ones are still refused. The rest of the portal keeps the strict policy of the settings.
RELAXED = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class OperatorsDesk(UnfoldAdminSite):  # type: ignore[misc]
    """The admin for operators and federation managers."""

    index_template = "admin/today.html"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in who operates a site, and who runs the federation; there is no flag beside that."""
        return may_enter_desk(request)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Show times in the person's zone, and relax the policy as far as the theme needs it."""
        inner: View = super().admin_view(view, cacheable)

        @wraps(inner)
        def in_their_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if self.has_permission(request) and not confirmed_recently(request):
                return redirect(confirm_at(request.get_full_path()))
            with timezone.override(zone_for(request)):
                response = inner(request, *args, **kwargs)
                # A page that was not yet drawn would be drawn later, in the server's zone.
                if hasattr(response, "render") and not getattr(response, "is_rendered", True):
                    response.render()
            return response

        return cast(View, csp_update(RELAXED)(in_their_zone))

    def get_urls(self) -> list[Any]:
        """Add the pages that belong to no model."""
        # They stand on admin modules, which register themselves with this very site when they are loaded.
        from reservations.admin.plans import plan_urls
        from reservations.admin.policy import policy_urls
        from reservations.admin.pressing import pressing_urls
        from resources.admin.exchange import exchange_urls
        from shary_portal.desk.back_in_service import back_in_service_urls
        from shary_portal.desk.inventory import inventory_urls

        pages = (
            inventory_urls,
            back_in_service_urls,
            plan_urls,
            policy_urls,
            pressing_urls,
            exchange_urls,
        )
        own = [url for urls in pages for url in urls(self.admin_view)]
        return [*own, *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show today."""
        today = today_for(cast(User, request.user), now=timezone.now())
        context = {"today": today, "title": _("Today"), "may_act": may_act(request)} | (extra_context or {})
        return cast(HttpResponse, super().index(request, context))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send people to the portal's own sign-in: there is one door, with one set of limits on it."""
        if request.user.is_authenticated:
            if request.user.may_enter_desk and not request.user.rights_count:
                return redirect(f"{reverse('security')}?needed=1")
            raise PermissionDenied(
                "This is for those who run a site. A federation manager can make you one of them."
            )
        return redirect_to_login(
            request.GET.get("next") or reverse("admin:index"), resolve_url("account_login")
        )

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign out, and go where one can sign in again."""
        return LogoutView.as_view(next_page=resolve_url("account_login"))(request)


def zone_for(request: HttpRequest) -> ZoneInfo:
    """Return the zone in which the person reads times; UTC when they chose none."""
    user = request.user
    return ZoneInfo(zone_of(user if user.is_authenticated else None))


def zone_label(request: HttpRequest) -> list[str]:
    """Say on each page which zone its times are in."""
    return [f"Times: {zone_for(request).key}", "info"]
