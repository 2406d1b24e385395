"""The pages of projects: who is in them, and how one comes in and goes."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import invitations, join_requests, memberships
from accounts.errors import AccountRefusal, NotThere, NotYours
from accounts.models import JoinRequest, Membership, Project, User
from accounts.rules import COUNTS, PROJECT, Role, memberships_of, reads_everything, roles_in, visible_projects

SHOWN = 50


def signed_in(request: HttpRequest) -> User:
    """Return who is signed in; for views behind `login_required`."""
    return cast(User, request.user)


@require_GET
@login_required
def projects(request: HttpRequest) -> HttpResponse:
    """One's projects, the invitations that wait for an answer, and what one asked to join."""
    user, now = signed_in(request), timezone.now()
    mine = memberships_of(user).select_related("project__organisation").order_by("project__name")
    members = Count("project__memberships", filter=Q(project__memberships__expires_at=None))
    others = visible_projects(user).exclude(pk__in=mine.values("project")).select_related("organisation")
    context = {
        "memberships": mine.annotate(members=members),
        "others": others if reads_everything(user) else [],
        "invitations": invitations.invitations_for(user, now),
        "requests": JoinRequest.objects.filter(user=user, over_at=None).select_related("project"),
    }
    return render(request, "accounts/projects.html", context)


@require_GET
@login_required
def project(request: HttpRequest, slug: str) -> HttpResponse:
    """One project: its people, and for its leaders what waits for them."""
    return _project_page(request, _project_or_404(signed_in(request), slug))


def _project_page(request: HttpRequest, found: Project, **more: Any) -> HttpResponse:
    user, now = signed_in(request), timezone.now()
    roles = roles_in(user, found.pk)
    leads = bool(roles & PROJECT["lead"])
    people = found.memberships.filter(COUNTS).select_related("user__home_organisation")
    context: dict[str, Any] = {
        "project": found,
        "people": people.order_by("role", "user__first_name", "user__username"),
        "leads": leads,
        "is_leader": Role.LEADER in roles,
        "is_in": bool(roles & PROJECT["leave"]),
        "roles": Membership.Role.choices,
    }
    if leads or reads_everything(user):
        open_ones = found.invitations.filter(over_at=None, expires_at__gt=now)
        context["invitations"] = open_ones.select_related("invited", "made_by")
        context["requests"] = found.join_requests.filter(over_at=None).select_related("user")
        context["events"] = found.events.select_related("user", "actor")[:SHOWN]
    return render(request, "accounts/project.html", context | more)


@require_POST
@login_required
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Invite somebody; the link of an invitation by e-mail is shown this once."""
    user, now = signed_in(request), timezone.now()
    found = _project_or_404(user, slug)
    whom = request.POST.get("whom", "").strip()
    role = request.POST.get("role", "")
    by_email = "@" in whom and not User.objects.filter(username=whom).exists()
    try:
        if by_email:
            validate_email(whom)
        if not whom or role not in Membership.Role:
            raise ValidationError(_("Give a username or an e-mail address."))
        made, secret = invitations.invite(
            slug=slug,
            username="" if by_email else whom,
            email=whom if by_email else "",
            role=role,
            actor=user,
            now=now,
        )
    except ValidationError as error:
        return _project_page(request, found, invite_errors=error.messages, whom=whom)
    except NotYours as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except AccountRefusal as refusal:
        return _project_page(request, found, invite_errors=[refusal.message], whom=whom)
    if not secret:
        messages.success(request, _("%(person)s is invited.") % {"person": made.invited})
        return redirect("project", slug)
    link = link_of(request, secret)
    answer = _project_page(
        request, found, new_link=link, mailed=invitations.mail_link(made, link), whom_new=whom
    )
    answer["Cache-Control"] = "no-store"
    return answer


def link_of(request: HttpRequest, secret: str) -> str:
    """Return the address of an invitation. What opens it stands behind the #, which browsers keep to themselves."""
    return f"{request.build_absolute_uri(reverse('invitation'))}#{secret}"


@require_POST
@login_required
def change(request: HttpRequest, slug: str, verb: str) -> HttpResponse:
    """Do something with a project's people: leave, remove, lead, member, hand-over."""
    user, now = signed_in(request), timezone.now()
    whom = request.POST.get("username", "")
    verbs: dict[str, tuple[Callable[[], object], str]] = {
        "leave": (lambda: memberships.leave(slug=slug, actor=user, now=now), _("You left the project.")),
        "remove": (
            lambda: memberships.remove(slug=slug, username=whom, actor=user, now=now),
            _("%(name)s is no longer in the project."),
        ),
        "lead": (
            lambda: memberships.change_role(
                slug=slug, username=whom, role=memberships.LEADER, actor=user, now=now
            ),
            _("%(name)s leads the project now."),
        ),
        "member": (
            lambda: memberships.change_role(
                slug=slug, username=whom, role=memberships.MEMBER, actor=user, now=now
            ),
            _("%(name)s is a member now."),
        ),
        "hand-over": (
            lambda: memberships.hand_over(slug=slug, username=whom, actor=user, now=now),
            _("%(name)s leads the project now."),
        ),
    }
    do, done = verbs[verb]
    left = _do(request, do, done % {"name": whom}) and verb == "leave"
    still_seen = visible_projects(user).filter(slug=slug).exists()
    return redirect("projects") if left or not still_seen else redirect("project", slug)


@require_POST
@login_required
def join(request: HttpRequest) -> HttpResponse:
    """Ask to be let into a project, by its short name."""
    slug = request.POST.get("slug", "").strip()[:50]
    words = request.POST.get("words", "").strip()[:500]
    _do(
        request,
        lambda: join_requests.ask_to_join(slug=slug, words=words, actor=signed_in(request), now=timezone.now()),
        _("If there is a project “%(slug)s”, its leaders know now that you ask. You get their answer by mail.")
        % {"slug": slug},
    )
    return redirect("projects")


@require_POST
@login_required
def answer_invitation(request: HttpRequest, invitation_id: UUID, verb: str) -> HttpResponse:
    """Accept, decline or withdraw an invitation."""
    asked: dict[str, Any] = {"invitation_id": invitation_id, "actor": signed_in(request), "now": timezone.now()}
    verbs: dict[str, tuple[Callable[..., Any], str]] = {
        "accept": (invitations.accept, _("Welcome to the project.")),
        "decline": (invitations.decline, _("The invitation is declined.")),
        "withdraw": (invitations.withdraw, _("The invitation is taken back.")),
    }
    service, done = verbs[verb]
    _do(request, lambda: service(**asked), done)
    return redirect(_back(request))


@require_POST
@login_required
def answer_request(request: HttpRequest, request_id: UUID, verb: str) -> HttpResponse:
    """Approve, decline or withdraw a request to join."""
    asked: dict[str, Any] = {"request_id": request_id, "actor": signed_in(request), "now": timezone.now()}
    verbs: dict[str, tuple[Callable[..., Any], str]] = {
        "approve": (join_requests.approve_request, _("They are in the project now.")),
        "decline": (join_requests.decline_request, _("The request is declined.")),
        "withdraw": (join_requests.withdraw_request, _("Your request is taken back.")),
    }
    service, done = verbs[verb]
    _do(request, lambda: service(**asked), done)
    return redirect(_back(request))


@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Answer an invitation that came as a link; its secret comes by POST, never in an address."""
    secret = request.POST.get("secret", "")
    if not request.user.is_authenticated or not secret:
        return render(request, "accounts/invitation.html", {})
    user, now, answer = signed_in(request), timezone.now(), request.POST.get("answer", "")
    try:
        if answer == "accept":
            membership = invitations.accept(secret=secret, actor=user, now=now)
            messages.success(request, _("Welcome to %(project)s.") % {"project": membership.project})
            return redirect("project", membership.project.slug)
        if answer == "decline":
            invitations.decline(secret=secret, actor=user, now=now)
            messages.success(request, _("The invitation is declined."))
            return redirect("projects")
        found = invitations.invitation_of_link(secret, now)
    except AccountRefusal as refusal:
        return render(request, "accounts/invitation.html", {"problem": refusal.message}, status=refusal.status)
    shown = render(request, "accounts/invitation.html", {"invitation": found, "secret": secret})
    shown["Cache-Control"] = "no-store"
    return shown


def _project_or_404(user: User, slug: str) -> Project:
    try:
        return memberships.project_of(user, slug)
    except NotThere as refusal:
        raise Http404(refusal.message) from refusal


def _do(request: HttpRequest, do: Callable[[], object], done: str) -> bool:
    try:
        do()
    except NotThere as refusal:
        raise Http404(refusal.message) from refusal
    except NotYours as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except AccountRefusal as refusal:
        messages.error(request, refusal.message)
        return False
    messages.success(request, done)
    return True


def _back(request: HttpRequest) -> str:
    slug = request.POST.get("project", "")
    seen = visible_projects(signed_in(request)).filter(slug=slug).exists()
    return reverse("project", args=[slug]) if seen else reverse("projects")
