"""The groups that reservations are charged to."""

from typing import ClassVar

from django.db import models

from accounts.limits import Limits
from accounts.models.people import Organisation, User


class Project(Limits):
    """The group that a reservation is charged to."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="projects")
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        User, through="Membership", related_name="projects"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's part in a project."""

    class Role(models.TextChoices):
        MEMBER = "member", "Member"
        LEADER = "leader", "Leader"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.MEMBER)
    source = models.CharField(
        max_length=40,
        default="manual",
        help_text="Who says so: “manual” for people, else the home organisation's identity provider.",
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on the membership counts no more; empty means it stays."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "user"], name="one_membership_per_project")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.project}"
