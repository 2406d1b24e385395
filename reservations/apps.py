from django.apps import AppConfig


class ReservationsConfig(AppConfig):
    name = "reservations"
    verbose_name = "When"

    def ready(self) -> None:
        """Listen to what changes below."""
        from accounts.keys import ssh_keys_changed
        from reservations.services.keys import follow_keys

        ssh_keys_changed.connect(follow_keys, dispatch_uid="reservations.follow_keys")
