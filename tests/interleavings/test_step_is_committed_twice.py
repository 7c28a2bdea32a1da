"""Two operators commit the same step at the same moment.

one      holds the lock on the run, has recorded its commit, has not committed its transaction
other    finds nothing recorded yet, and waits for the lock
one      commits
other    gets the lock, reads the ledger, and finds the step committed
"""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from access.roles import Role
from runs.problems import STEP_ALREADY_COMMITTED
from tests import factories
from tests.meetings import meet


@pytest.mark.django_db(transaction=True)
def test_one_is_recorded_and_the_other_is_told(person: Callable[[Role], User], redis: object) -> None:
    operator = person(Role.OPERATOR)
    run = factories.start(operator)

    def commit() -> str:
        try:
            factories.commit(run, "measure", operator)
        except STEP_ALREADY_COMMITTED as refusal:
            return f"refused for seq {refusal.extensions['commit']['seq']}"
        return "recorded"

    assert meet(commit, commit) == ("recorded", "refused for seq 2")
    assert list(run.events.values_list("seq", flat=True)) == [1, 2]
