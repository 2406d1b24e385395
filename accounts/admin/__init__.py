"""The desk of federation managers for *who*: nobody else sees any of it."""

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.admin import federation, keys, people, projects
from accounts.admin.rules import ForManagers, is_manager, may_read

__all__ = ["ForManagers", "federation", "is_manager", "keys", "may_read", "people", "projects"]

# Django's groups decide nothing here, and addresses are shown with their person.
for unused in (Group, EmailAddress):
    if admin.site.is_registered(unused):
        admin.site.unregister(unused)
