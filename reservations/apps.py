from django.apps import AppConfig


class ReservationsConfig(AppConfig):
    name = "reservations"
    verbose_name = "When"

    def ready(self) -> None:
        """Listen to what changes below."""
        from accounts.keys import ssh_keys_changed
        from accounts.telling import told
        from reservations.services.keys import follow_keys
        from reservations.services.telling import pass_on

        ssh_keys_changed.connect(follow_keys, dispatch_uid="reservations.follow_keys")
        told.connect(pass_on, dispatch_uid="reservations.pass_on")
