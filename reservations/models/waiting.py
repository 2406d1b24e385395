"""Who waits for what to come free."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models import Project, User
from reservations.models.hold import Hold
from reservations.models.reservation import Reservation


class WaitingWish(models.Model):
    """A wish that could not be met: its place on the wait list, and the offer that it has now, if any.

    Whoever waits longest and can be served gets a hold, and is told; one who lets it run out stands last.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waits"
        OFFERED = "offered", "Has an offer"
        BOOKED = "booked", "Booked"
        LEFT = "left", "Left the list"
        PASSED = "passed", "Its time passed"
        MISSED = "missed", "Let its offers run out"

    OPEN: ClassVar = ("waiting", "offered")

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="waiting_wishes")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="waiting_wishes")
    purpose = models.CharField(max_length=200, blank=True)
    lines: "models.JSONField[Any, Any]" = models.JSONField(help_text="What is asked for, line by line.")
    links: "models.JSONField[Any, Any]" = models.JSONField(default=list, help_text="Which lines are wired.")
    sites: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    barred_sites: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    kinds: "models.Field[Any, Any]" = ArrayField(
        models.CharField(max_length=40), help_text="Of its devices: whose wishes compete."
    )
    duration = models.DurationField()
    earliest = models.DateTimeField()
    latest = models.DateTimeField()
    gives_up_at = models.DateTimeField(
        help_text="After this, what is left of its time is too short. Of one fixed window half still serves."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField()
    queued_at = models.DateTimeField(help_text="Since when it stands where it stands.")
    looked_at = models.DateTimeField(null=True, help_text="When it was last tried to serve it.")
    hold = models.ForeignKey(Hold, null=True, on_delete=models.SET_NULL, related_name="wishes")
    missed = models.PositiveSmallIntegerField(default=0, help_text="How many offers ran out.")
    reservation = models.ForeignKey(
        Reservation, null=True, on_delete=models.SET_NULL, related_name="waited_for_by"
    )
    over_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["queued_at", "id"]
        verbose_name_plural = "waiting wishes"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(latest__gte=F("earliest") + F("duration")), name="waiting_wish_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(state="offered") | Q(hold__isnull=False), name="offer_has_a_hold"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["queued_at", "id"],
                name="waiting_in_order",
                condition=Q(state__in=["waiting", "offered"]),
            ),
            models.Index(fields=["person", "-created_at"], name="waiting_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} waits since {self.queued_at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_fixed(self) -> bool:
        """Whether exactly one window would do."""
        return self.latest - self.earliest <= self.duration


class FreedTime(models.Model):
    """That a device came free for some time while somebody waited, as the database notes it for the tick."""

    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S} UTC"
