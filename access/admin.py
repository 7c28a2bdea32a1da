"""People, groups and tokens in the admin. A token's secret is shown once; afterwards it can only be revoked.

People with the role `admin` manage other people, but nobody with rights that they lack themselves (`access.reach`):
superusers and their tokens do not appear for them.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar, cast

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import CharField, Field, ForeignKey, ManyToManyField, Model, QuerySet
from django.forms import BooleanField, ModelChoiceField, ModelForm, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse

from access.actions import assign_secret, revoke_token, revoke_tokens_of
from access.admin_conflicts import OpenedOnAdmin, OpenedOnForm
from access.admin_lists import ListAdmin
from access.history import has_acted
from access.models import ApiToken
from access.names import check_visible
from access.reach import groups_within_reach, people_within_reach, permissions_within_reach
from rest import timestamps
from rest.parameters import number_in

Named = TypeVar("Named", bound=Model)

REVOKE_TOKENS = "revoke_tokens"

admin.site.unregister([User, Group])


class NamingAdmin(ListAdmin[Named]):
    """A model whose short texts are names, in which people must see something."""

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **options: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None and isinstance(db_field, CharField):
            field.validators.append(check_visible)
        return field


class PasswordAndTokensForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """A new password for somebody. Their tokens stay valid unless the box is ticked: devices depend on them."""

    revoke_tokens = BooleanField(
        required=False,
        label="Revoke this person's API tokens too",
        help_text="A new password alone leaves them valid. What uses them stops working.",
    )


class PersonForm(OpenedOnForm, UserChangeForm[User]):
    """Somebody's name, roles and rights."""


@admin.register(User)
class PersonAdmin(OpenedOnAdmin[User], UserAdmin[User], NamingAdmin[User]):
    """People."""

    form = PersonForm
    change_password_form = PasswordAndTokensForm
    change_user_password_template = "access/change_password.html"  # noqa: S105

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).filter(pk__in=people_within_reach(cast(User, request.user)))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        # Rights come with groups; only superusers grant others.
        fields = super().get_readonly_fields(request, obj)
        return fields if cast(User, request.user).is_superuser else (*fields, "is_superuser", "user_permissions")

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Change a person's password, and revoke their tokens with it if so asked."""
        response = super().user_change_password(request, id, form_url)
        if response.status_code == HTTPStatus.FOUND and REVOKE_TOKENS in request.POST:
            user, actor = self.get_queryset(request).get(pk=id), cast(User, request.user)
            count = revoke_tokens_of(user, now=timestamps.now(), actor=actor)
            self.message_user(request, f"Revoked tokens: {count}.")
        return response

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not has_acted(obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say who cannot be deleted, without reading all that they have done."""
        kept = [f"what {person} has done" for person in objs if has_acted(person)]
        return ([], {}, set(), kept) if kept else super().get_deleted_objects(objs, request)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **options: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        if db_field.name == "groups":
            options["queryset"] = groups_within_reach(cast(User, request.user))
        return super().formfield_for_manytomany(db_field, request, **options)


@admin.register(Group)
class RoleAdmin(OpenedOnAdmin[Group], GroupAdmin, NamingAdmin[Group]):
    """Groups, including the roles. Everybody may see all of them, since they are what steps ask for."""

    form = OpenedOnForm
    fields = ["name", "permissions"]

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_within_reach(request, obj)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest | None = None, **options: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        if request is not None and db_field.name == "permissions":
            options["queryset"] = permissions_within_reach(cast(User, request.user))
        return super().formfield_for_manytomany(db_field, request, **options)

    @staticmethod
    def _is_within_reach(request: HttpRequest, group: Group | None) -> bool:
        return group is None or groups_within_reach(cast(User, request.user)).filter(pk=group.pk).exists()


class PersonSelect(AutocompleteSelect):
    """A person to choose. Looks up numbers only: the field refuses anything else that was sent."""

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, [key for key in value if number_in(key) is not None], attr)


@admin.register(ApiToken)
class ApiTokenAdmin(ListAdmin[ApiToken]):
    """API tokens."""

    list_display = ["beginning", "name", "user", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_filter = [("user", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["name", "beginning", "user__username"]
    autocomplete_fields = ["user"]
    actions = ["revoke"]

    fields = ["beginning", "name", "user", "created_at", "last_used_at", "expires_at", "revoked_at"]
    readonly_fields = ["beginning", "created_at", "last_used_at", "revoked_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        return super().get_queryset(request).filter(user__in=people_within_reach(cast(User, request.user)))

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # a token stays as it was issued

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # a revoked token stays, so that an old log line still leads to its user

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **options: Any
    ) -> ModelChoiceField[Any] | None:
        options["queryset"] = people_within_reach(cast(User, request.user))
        options["widget"] = PersonSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: ModelForm[ApiToken], change: bool) -> None:
        secret = assign_secret(token=obj, actor=cast(User, request.user))
        self.message_user(
            request, f"Copy the token now, because it will not be shown again: {secret}", messages.WARNING
        )

    def log_addition(self, request: HttpRequest, obj: ApiToken, message: Any) -> None:  # type: ignore[override]
        """Write nothing more: the action has written the history."""

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may revoke tokens: those who may create them may."""
        return self.has_add_permission(request)

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """Revoke the selected tokens."""
        for token in tokens:
            revoke_token(token=token, now=timestamps.now(), actor=cast(User, request.user))
        self.message_user(request, f"Revoked: {len(tokens)}.")


@admin.register(AccessAttempt)
class FailedLoginAdmin(ListAdmin[AccessAttempt]):
    """Failed logins, for superusers. Deleting a line unlocks a person who is locked out."""

    list_display = ["username", "ip_address", "failures_since_start", "attempt_time"]
    search_fields = ["username", "ip_address"]
    fields = ["username", "ip_address", "user_agent", "path_info", "failures_since_start", "attempt_time"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        return False
