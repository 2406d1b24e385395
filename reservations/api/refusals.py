"""The shapes of refusals: why not, and what would work instead."""

from typing import Any

from rest_framework import serializers


class WishRefusalShape(serializers.Serializer[Any]):
    """Why one of the asked resources cannot be had."""

    wish = serializers.IntegerField(allow_null=True, help_text="The place of the line in the request.")
    resource = serializers.UUIDField(allow_null=True)
    resource_name = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()
    never = serializers.BooleanField()
    until = serializers.DateTimeField(allow_null=True)
    message = serializers.CharField()


class FreeWindow(serializers.Serializer[Any]):
    """A window that would work, with the resources that it would take."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    resources = serializers.ListField(child=serializers.UUIDField())
