"""The JSON shapes that tell clients who they are."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from access.names import name_of
from access.policies import READS, WRITES
from access.rights import Right
from rest.fields import InstantField


class RightsSerializer(serializers.Serializer[Any]):
    """Each right, and whether somebody has it."""

    def get_fields(self) -> dict[str, Any]:
        return {right.name.lower(): serializers.BooleanField() for right in Right}


class TokenSerializer(serializers.Serializer[Any]):
    """The token of the request."""

    name = serializers.CharField()
    expires_at = InstantField(allow_null=True)


class QuotaSerializer(serializers.Serializer[Any]):
    """How many requests a minute a token may make, in each worker; null without a limit."""

    reads_per_minute = serializers.IntegerField(allow_null=True)
    writes_per_minute = serializers.IntegerField(allow_null=True)


class MeSerializer(serializers.Serializer[Any]):
    """Who sends a request, and what they may do."""

    id = serializers.IntegerField(source="user.pk")
    username = serializers.CharField(source="user.username")
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    rights = RightsSerializer()
    token = TokenSerializer()
    quota = QuotaSerializer()


def me(user: User, token: object) -> dict[str, Any]:
    """Return who sends a request with this token."""
    return {
        "user": user,
        "name": name_of(user),
        "roles": sorted(group.name for group in user.groups.all()),
        "rights": {right.name.lower(): user.has_perm(right) for right in Right},
        "token": token,
        "quota": {"reads_per_minute": READS.quota or None, "writes_per_minute": WRITES.quota or None},
    }
