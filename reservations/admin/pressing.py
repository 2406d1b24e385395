"""Small things that an operator does from Today: look again, send again, say no."""

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from reservations.errors import Refusal
from reservations.models import Countersign, OutgoingMail
from reservations.selectors.leftovers import failing_mail
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.orders import write_look
from reservations.services.second_person import refuse
from resources.models import Resource
from resources.operated import operated_sites


def pressing_urls(wrap: Any) -> list[URLPattern]:
    """Return the pages, behind the door of the desk."""
    return [
        path("devices/<uuid:resource_id>/check-again/", wrap(check_again), name="check_again"),
        path("mail/<int:mail_id>/again/", wrap(mail_again), name="mail_again"),
        path("wishes/<uuid:wish_id>/refuse/", wrap(refuse_wish), name="refuse_wish"),
    ]


@require_POST
def check_again(request: HttpRequest, resource_id: UUID) -> HttpResponse:
    """Have the site look at once at the device, and at all others of it that are not well."""
    resource = (
        Resource.objects.select_related("site").filter(pk=resource_id, site__in=operated_sites(request)).first()
    )
    if resource is None:
        raise Http404(_("There is no such device, or it belongs to another site."))
    write_look(resource.site)
    messages.success(
        request,
        _("%(site)s is told to look at %(device)s now. What it sees stands here within a minute.")
        % {"site": resource.site, "device": resource.name},
    )
    return redirect("admin:index")


@require_POST
def mail_again(request: HttpRequest, mail_id: int) -> HttpResponse:
    """Try at once to send mail that could not be sent."""
    mail = next(
        (each for each in failing_mail(operated_sites(request).values("pk")) if each.pk == mail_id), None
    )
    if mail is None:
        raise Http404(_("It was sent meanwhile, or it is about another site."))
    # One attempt is kept, so that it stays in sight until it is sent.
    OutgoingMail.objects.filter(pk=mail.pk, sent_at__isnull=True).update(attempts=1, next_try_at=timezone.now())
    ring_after_commit()
    messages.success(request, _("It is tried again now."))
    return redirect("admin:index")


@require_POST
def refuse_wish(request: HttpRequest, wish_id: UUID) -> HttpResponse:
    """Say no to what somebody asked a second person for, or take one's own wish back."""
    there = Countersign.objects.filter(pk=wish_id, lease__resource__site__in=operated_sites(request))
    if not there.exists():
        raise Http404(_("There is no such wish, or it is about another site."))
    try:
        actor = cast(User, request.user)
        refuse(wish_id=wish_id, actor=actor, reason=request.POST.get("reason", ""), now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("It is not done; the log says who said no."))
    return redirect("admin:index")
