"""Messages tell of reservations, and people choose which they get."""

from datetime import timedelta

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("reservations", "0022_keep_holds"),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageChoices",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "wanted",
                    models.JSONField(default=dict, help_text="A kind of message, and whether it is wanted."),
                ),
                (
                    "start_lead",
                    models.DurationField(default=timedelta(minutes=15), help_text="How long before a start."),
                ),
                (
                    "end_lead",
                    models.DurationField(default=timedelta(minutes=15), help_text="How long before an end."),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="message_choices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"verbose_name_plural": "message choices"},
        ),
        migrations.AlterModelOptions(name="outgoingmail", options={"verbose_name": "message"}),
        migrations.RemoveIndex(model_name="outgoingmail", name="mail_unsent"),
        migrations.AddField(
            model_name="outgoingmail",
            name="template",
            field=models.CharField(default="operator", max_length=40),
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="reservation",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mails",
                to="reservations.reservation",
            ),
        ),
        migrations.AddField(model_name="outgoingmail", name="facts", field=models.JSONField(default=dict)),
        migrations.AddField(
            model_name="outgoingmail",
            name="dropped_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="why_dropped",
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="expires_at",
            field=models.DateTimeField(blank=True, help_text="After this it is not worth sending.", null=True),
        ),
        migrations.AddField(model_name="outgoingmail", name="last_error", field=models.TextField(blank=True)),
        migrations.AlterField(
            model_name="outgoingmail",
            name="subject",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AlterField(model_name="outgoingmail", name="body", field=models.TextField(blank=True)),
        migrations.AlterField(
            model_name="outgoingmail",
            name="next_try_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.AddIndex(
            model_name="outgoingmail",
            index=models.Index(
                condition=models.Q(("dropped_at__isnull", True), ("sent_at__isnull", True)),
                fields=["next_try_at"],
                name="mail_waiting",
            ),
        ),
    ]
