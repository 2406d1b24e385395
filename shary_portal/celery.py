"""The hub's Celery app and what beat rings for. The tasks live in the apps."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shary_portal.settings.production")

app = Celery("shary")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# A ring goes to a queue of its own, so that reports from the sites cannot keep it waiting.
BELL_QUEUE = "bell"

app.conf.beat_scheduler = "shary_portal.doorbell:Doorbell"
app.conf.beat_schedule = {
    "tick": {
        "task": "reservations.tick",
        "schedule": 1.0,
        "options": {"queue": BELL_QUEUE, "expires": 2},
    },
    "reconcile": {
        "task": "reservations.reconcile",
        "schedule": 10.0,
        "options": {"queue": BELL_QUEUE, "expires": 10},
    },
    "mail": {
        "task": "reservations.send_mail",
        "schedule": 5.0,
        # Not with the bell: a mail server may take its time.
        "options": {"queue": "hub", "expires": 5},
    },
    "end for departed": {
        "task": "reservations.end_for_departed",
        "schedule": 20.0,
        "options": {"queue": BELL_QUEUE, "expires": 20},
    },
    "refresh metadata": {
        "task": "reservations.refresh_metadata",
        "schedule": 3600.0,
        # Not with the bell: a federation's server may take its time.
        "options": {"queue": "hub", "expires": 600},
    },
    "warn of tokens": {
        "task": "accounts.warn_of_expiring_tokens",
        "schedule": 6 * 3600.0,
        "options": {"queue": BELL_QUEUE, "expires": 3600},
    },
    "fold use": {
        "task": "reservations.fold_use",
        "schedule": 3600.0,
        "options": {"queue": BELL_QUEUE, "expires": 600},
    },
}
