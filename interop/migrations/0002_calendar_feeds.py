"""Calendar programs read bookings by a secret address."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("resources", "0005_cables"),
        ("interop", "0001_reservation_feeds"),
    ]

    operations = [
        migrations.CreateModel(
            name="CalendarFeed",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("mine", "My reservations"),
                            ("project", "A project"),
                            ("resource", "A device"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "shows_details",
                    models.BooleanField(
                        default=False,
                        help_text="What for, on which device and by whom, as far as its owner may see it.",
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("last_used_by", models.CharField(blank=True, editable=False, max_length=120)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calendar_feeds",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calendar_feeds",
                        to="accounts.project",
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calendar_feeds",
                        to="resources.resource",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("project__isnull", True), ("resource__isnull", True), ("scope", "mine")
                        )
                        | models.Q(
                            ("project__isnull", False), ("resource__isnull", True), ("scope", "project")
                        )
                        | models.Q(
                            ("project__isnull", True), ("resource__isnull", False), ("scope", "resource")
                        ),
                        name="calendar_feed_has_its_subject",
                    )
                ],
            },
        ),
    ]
