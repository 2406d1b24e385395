from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "shary_portal"
    verbose_name = "SHARY"

    def ready(self) -> None:
        # Tasks that an app sends go through the hub's Celery app once it is known.
        import shary_portal.celery  # noqa: F401
