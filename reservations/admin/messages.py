"""Messages at the desk: what waits, what was given up, and having it tried again."""

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.models import User
from accounts.rules import reads_everything
from reservations.models import OutgoingMail
from reservations.policy import MOST_MAIL_ATTEMPTS
from reservations.services.engine.post import try_again

COLOURS = {"sent": "success", "waiting": "info", "given up": "danger", "dropped": "warning"}


class StateFilter(admin.SimpleListFilter):
    """What became of a message."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [
            ("waiting", _("waiting")),
            ("given_up", _("given up")),
            ("sent", _("sent")),
            ("dropped", _("dropped")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> QuerySet[OutgoingMail]:
        """Keep those in the chosen state."""
        waiting = queryset.filter(sent_at=None, dropped_at=None)
        match self.value():
            case "waiting":
                return waiting.filter(attempts__lt=MOST_MAIL_ATTEMPTS)
            case "given_up":
                return waiting.filter(attempts__gte=MOST_MAIL_ATTEMPTS)
            case "sent":
                return queryset.filter(sent_at__isnull=False)
            case "dropped":
                return queryset.filter(dropped_at__isnull=False)
        return queryset


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ModelAdmin):  # type: ignore[misc]
    """Messages of the last days, for those who run the federation; of what they say, the subject alone."""

    list_display: ClassVar = ["created_at", "to", "shown_subject", "state", "attempts", "last_error"]
    list_filter: ClassVar = [StateFilter]
    list_select_related: ClassVar = ["to"]
    search_fields: ClassVar = ["to__username", "to__email", "subject"]
    ordering: ClassVar = ["-id"]
    fields: ClassVar = [
        "to",
        "shown_subject",
        "state",
        "created_at",
        "sent_at",
        "why_dropped",
        "attempts",
        "next_try_at",
        "last_error",
    ]
    readonly_fields: ClassVar = fields
    actions: ClassVar = ["have_tried_again"]
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show it to those who see the whole federation."""
        return reads_everything(cast(User, request.user))

    def has_view_permission(self, request: HttpRequest, obj: OutgoingMail | None = None) -> bool:
        """Show it to those who see the whole federation."""
        return reads_everything(cast(User, request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Messages are written by what they tell of."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutgoingMail | None = None) -> bool:
        """Nothing of a message is changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutgoingMail | None = None) -> bool:
        """Messages are forgotten after some days, by themselves."""
        return False

    def has_try_permission(self, request: HttpRequest) -> bool:
        """Whether the person may have messages tried again."""
        return cast(User, request.user).is_federation_manager

    @display(description=gettext_lazy("Subject"))
    def shown_subject(self, mail: OutgoingMail) -> str:
        """Return the subject, or what it will be about."""
        return mail.subject or mail.template.replace("_", " ")

    @display(description=gettext_lazy("State"), label=COLOURS)
    def state(self, mail: OutgoingMail) -> str:
        """Say what became of it."""
        if mail.sent_at:
            return "sent"
        if mail.dropped_at:
            return "dropped"
        return "given up" if mail.attempts >= MOST_MAIL_ATTEMPTS else "waiting"

    @action(description=gettext_lazy("Try again"), permissions=["try"])
    def have_tried_again(self, request: HttpRequest, chosen: QuerySet[OutgoingMail]) -> None:
        """Have messages tried again that the mail server did not take."""
        done = try_again(list(chosen.values_list("pk", flat=True)), now=timezone.now())
        messages.success(
            request,
            ngettext("%(count)s message is tried again.", "%(count)s messages are tried again.", done)
            % {"count": done},
        )
