"""How people come into projects and leave them: invitations, requests to join, and what became of each."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models.people import User
from accounts.models.projects import Membership, Project


class Invitation(models.Model):
    """Opens a project to one person. Of the link in it only a digest is kept, and it works once."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    invited = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="invitations"
    )
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=16, choices=Membership.Role.choices, default=Membership.Role.MEMBER)
    digest = models.CharField(max_length=64, blank=True, editable=False)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    over_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-made_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "invited"], condition=Q(over_at=None), name="one_open_invitation_each"
            ),
            models.UniqueConstraint(
                fields=["digest"], condition=~Q(digest=""), name="one_invitation_behind_a_link"
            ),
            models.CheckConstraint(
                condition=Q(invited__isnull=False) | ~Q(email=""), name="invitation_is_for_somebody"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invited or self.email} into {self.project}"

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be accepted."""
        return self.over_at is None and self.expires_at > now


class JoinRequest(models.Model):
    """Somebody asks to be let into a project; its leaders decide."""

    class Outcome(models.TextChoices):
        APPROVED = "approved", _("Approved")
        DECLINED = "declined", _("Declined")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="join_requests")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="join_requests")
    words = models.CharField(max_length=500, blank=True)
    made_at = models.DateTimeField()
    over_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["made_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "user"], condition=Q(over_at=None), name="one_open_request_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} asks to join {self.project}"


class MembershipEvent(models.Model):
    """One change of who is in a project, and as what. Written with the change; never changed."""

    class What(models.TextChoices):
        JOINED = "joined", _("joined")
        LEFT = "left", _("left")
        REMOVED = "removed", _("was removed")
        BECAME_LEADER = "became_leader", _("became a leader")
        BECAME_MEMBER = "became_member", _("became a member")
        INVITED = "invited", _("was invited")
        ASKED = "asked", _("asked to join")
        REFUSED = "refused", _("was not let in")
        DECLINED = "declined", _("declined the invitation")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="events")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    """Whom it is about; nobody known yet for an invitation to an address."""
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    """Who did it; nobody for what an identity provider said."""
    at = models.DateTimeField()
    what = models.CharField(max_length=16, choices=What.choices)
    words = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["project", "-at"], name="changes_of_project")]

    def __str__(self) -> str:
        return f"{self.user} {self.what} {self.project}"
