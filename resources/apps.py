from django.apps import AppConfig


class ResourcesConfig(AppConfig):
    name = "resources"
    verbose_name = "What"

    def ready(self) -> None:
        """Give what groups give here."""
        from accounts.federation.consequences import GRANTERS
        from resources.services.operator_rules import SITES

        if SITES not in GRANTERS:
            GRANTERS.append(SITES)
