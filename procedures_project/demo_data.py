"""What the demo shows: the roles' users and tokens, the sample procedures, a few runs in different states."""

from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command

from access.actions import issue_token
from access.models import ApiToken
from access.roles import Role
from rest import exact_json, timestamps
from runs.actions import VerbRequest, commit_step, start_run
from runs.models import Run
from runs.serializers import CommitBodySerializer, submission_from
from runs.submissions import StartSubmission

ADMIN_LOGIN = "admin"


def load(*, sample_data: bool, admin_password: str, known_tokens: dict[str, str]) -> dict[str, str]:
    """Make the demo's users, and its sample procedures and runs; return a token for each role.

    What exists already stays as it is: of the tokens in `known_tokens`, those that are still valid.
    """
    users = {role: _user(role) for role in Role}
    _make_superuser(users[Role.ADMIN], admin_password)
    if sample_data:
        call_command("import_procedures", *sorted(_sample_files("procedures")), verbosity=0, stdout=_Nowhere())
        if not Run.objects.exists():
            _start_sample_runs(users[Role.SUPERVISOR])
    return {role: _token(user, known_tokens.get(role, "")) for role, user in users.items()}


def _user(role: Role) -> User:
    user, _ = User.objects.get_or_create(username=ADMIN_LOGIN if role is Role.ADMIN else role)
    user.groups.add(Group.objects.get(name=role))
    return user


def _make_superuser(user: User, password: str) -> None:
    user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.save()


def _token(user: User, known: str) -> str:
    if ApiToken.objects.with_secret(known).valid().filter(user=user).exists():
        return known
    return issue_token(user=user, name="demo")


def _start_sample_runs(operator: User) -> None:
    (path,) = _sample_files("runs")
    content = cast(dict[str, Any], exact_json.loads(path.read_text()))
    for sample in content["runs"]:
        _start_sample_run(sample, operator)


def _start_sample_run(sample: dict[str, Any], operator: User) -> None:
    content = {name: sample[name] for name in ("procedure", "title", "external_ref")}
    run = start_run(submission=StartSubmission(**content), actor=operator, now=timestamps.now()).event.run
    for commit in sample["commits"]:
        step_key = commit.pop("step")
        submission = submission_from(commit, CommitBodySerializer)
        request = VerbRequest(run_id=run.pk, actor=operator, now=timestamps.now(), submission=submission)
        commit_step(request=request, step_key=step_key)


def _sample_files(app: str) -> list[Path]:
    return list((settings.BASE_DIR / app / "sample_data").glob("*.json"))


class _Nowhere:
    """Swallows what a command prints."""

    def write(self, _text: str) -> None:
        pass
