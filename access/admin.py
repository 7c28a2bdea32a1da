"""Tokens in the admin: the secret is shown once, at creation; afterwards a token can only be revoked."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from access.actions import revoke_token
from access.models import ApiToken, new_secret


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """API tokens."""

    list_display = ["beginning", "name", "user", "created_at", "expires_at", "revoked_at"]
    list_filter = ["user"]
    search_fields = ["name", "beginning", "user__username"]
    autocomplete_fields = ["user"]
    actions = ["revoke"]

    fields = ["beginning", "name", "user", "created_at", "expires_at", "revoked_at"]
    readonly_fields = ["beginning", "created_at", "revoked_at"]

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # a token is what it was issued as

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # a revoked token stays, so that an old log line still leads to its holder

    def save_model(self, request: HttpRequest, obj: ApiToken, form: ModelForm[ApiToken], change: bool) -> None:
        secret = new_secret()
        obj.assign(secret)
        super().save_model(request, obj, form, change)
        self.message_user(request, f"Copy the token now, it is not shown again: {secret}", messages.WARNING)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may end tokens; whoever may create them may."""
        return self.has_add_permission(request)

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """Revoke tokens."""
        for token in tokens:
            revoke_token(token=token, now=timezone.now())
        self.message_user(request, f"Revoked: {len(tokens)}.")
