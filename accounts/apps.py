from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Who"

    def ready(self) -> None:
        """Keep what is noted beside the library's tables in step with them."""
        from allauth.mfa.models import Authenticator
        from django.contrib.auth.signals import user_logged_in, user_logged_out
        from django.db.models.signals import post_delete, post_save

        from accounts.second_factor import follow_authenticators
        from accounts.sessions import note_sign_in, note_sign_out

        for changed in (post_save, post_delete):
            changed.connect(
                follow_authenticators, sender=Authenticator, dispatch_uid="accounts.follow_authenticators"
            )
        user_logged_in.connect(note_sign_in, dispatch_uid="accounts.note_sign_in")
        user_logged_out.connect(note_sign_out, dispatch_uid="accounts.note_sign_out")
