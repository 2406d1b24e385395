"""Our policy for signing in. allauth calls such hooks “adapters”; here that word stays with hardware."""

from typing import Any, cast

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from asgiref.sync import sync_to_async
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from accounts.federation.attributes import SignOnRefused
from accounts.federation.consequences import take_attributes
from accounts.federation.fetching import bounded_session
from accounts.federation.signing_on import as_app, check_process, refuse, refused
from accounts.federation.standing import provider_of, usable_accounts
from accounts.models import IdentityProvider, User
from accounts.rules import memberships_of


class PortalBackend(AuthenticationBackend):  # type: ignore[misc]
    """Whose session goes on: only an account that is active, and whose provider nobody switched off."""

    def get_user(self, user_id: int) -> User | None:
        """Return the person of a session, asked anew at every request."""
        return usable_accounts().filter(pk=user_id).first()

    async def aget_user(self, user_id: int) -> User | None:
        """Return the person of a session."""
        return await sync_to_async(self.get_user)(user_id)


class AccountPolicy(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts come from home organisations or an operator; nobody signs up alone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse self-made accounts."""
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Go on to pages of this portal only, named by their path."""
        return bool(
            url
            and url.startswith("/")
            and url.isprintable()
            and url_has_allowed_host_and_scheme(url, allowed_hosts=None)
        )

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """Show somebody new who is in no project how to get into one: without, there is nothing to book."""
        if not memberships_of(cast(User, request.user)).exists():
            return reverse("projects")
        return str(super().get_signup_redirect_url(request))

    def pre_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse | None:
        """Let people whom a home organisation vouches for in through it, and through nothing else.

        Otherwise a password, set by whatever way, would outlive the provider's word.
        """
        through_provider = "sociallogin" in (details.get("signal_kwargs") or {})
        if not through_provider and SocialAccount.objects.filter(user=user).exists():
            return refused(
                request,
                provider_of(user),
                _("This account is vouched for by a home institution. Sign in through it."),
                code="password_of_federated_account",
            )
        response: HttpResponse | None = super().pre_login(request, user, **details)
        return response


class SignOnPolicy(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Providers are rows of ours; an identity is the provider and the subject, and nothing else."""

    def list_apps(
        self, request: HttpRequest | None, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the providers that are switched on, as they are now: no restart is needed."""
        found = IdentityProvider.objects.filter(is_enabled=True).select_related("organisation")
        if provider:
            found = found.filter(Q(slug=provider) | Q(protocol=provider))
        return [app for app in map(as_app, found) if not client_id or app.client_id == client_id]

    def get_requests_session(self) -> requests.Session:
        """Talk to providers within bounds."""
        return bounded_session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Make an account for whomever a provider vouches for."""
        return True

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Ask for nothing: the provider has said what there is to say."""
        return True

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """Never: an address is no identity."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Take over what the provider says of somebody who was here before."""
        record: IdentityProvider = sociallogin.record
        try:
            check_process(request, sociallogin)
        except SignOnRefused as error:
            refuse(request, record, str(error), code="other_process")
        if sociallogin.is_existing and sociallogin.user.is_active:
            take_attributes(
                user=sociallogin.user,
                provider=record,
                attributes=sociallogin.attributes,
                now=timezone.now(),
            )

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make the account, with what the provider says of the person."""
        user = cast(User, sociallogin.user)
        try:
            with transaction.atomic():
                user.save()
                sociallogin.account.user = user
                sociallogin.account.save()
                take_attributes(
                    user=user,
                    provider=sociallogin.record,
                    attributes=sociallogin.attributes,
                    now=timezone.now(),
                )
        except IntegrityError as error:
            # The same person in two windows: the other one was quicker, and the next try finds the account.
            raise ImmediateHttpResponse(HttpResponseRedirect(reverse("account_login"))) from error
        return user

    def validate_disconnect(self, account: SocialAccount, accounts: Any) -> None:
        """Never take the identity off an account: what would be left is nobody's."""
        raise self.validation_error("no_password")
