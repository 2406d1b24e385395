"""Who may open which pages of the desk that are about *who*."""

from typing import Any

from django.http import HttpRequest

from accounts.rules import reads_everything


def is_manager(request: HttpRequest) -> bool:
    """Whether the person runs the federation."""
    return request.user.is_authenticated and request.user.is_federation_manager


def may_read(request: HttpRequest) -> bool:
    """Whether the person sees all there is: federation managers, and auditors."""
    return request.user.is_authenticated and reads_everything(request.user)


class ForManagers:
    """Permissions of what federation managers see and change, and auditors see.

    They come from who somebody is, never from Django's table of permissions, where a tick could be forgotten.
    """

    may_add = may_change = may_delete = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Managers and auditors."""
        return may_read(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers and auditors."""
        return may_read(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers only."""
        return self.may_add and is_manager(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers only."""
        return self.may_change and is_manager(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers only."""
        return self.may_delete and is_manager(request)
