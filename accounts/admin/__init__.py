"""The desk of federation managers for *who*: auditors read it, nobody else sees any of it."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.admin import federation, keys, people, projects
from accounts.admin.rules import ForManagers, is_manager, may_read

__all__ = ["ForManagers", "federation", "is_manager", "keys", "may_read", "people", "projects"]

# Django's groups decide nothing here, and addresses are shown with their person. The rest is what opens
# something: secrets of second factors and of providers are for nobody to read.
for unused in (Group, EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken):
    if admin.site.is_registered(unused):
        admin.site.unregister(unused)
