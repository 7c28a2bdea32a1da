"""A procedure is archived while somebody starts a run of it.

starter  checks that the procedure is active, and holds its row
author   archives: has to wait
starter  commits the run
author   goes on
anybody  starts a run: refused
"""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction

from access.roles import Role
from rest import timestamps
from runs.actions import start_run
from runs.problems import PROCEDURE_ARCHIVED
from runs.submissions import StartSubmission
from tests import factories


@pytest.mark.django_db(transaction=True)
def test_archiving_waits_for_a_run_that_is_being_started(
    person: Callable[[Role], User], elsewhere: Callable[[Callable[[], object]], object], redis: object
) -> None:
    operator = person(Role.OPERATOR)
    factories.publish(factories.body("gibson"))

    def archive() -> object:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        return factories.archive()

    with transaction.atomic():
        start_run(submission=StartSubmission("gibson"), actor=operator, now=timestamps.now())
        with pytest.raises(OperationalError):
            elsewhere(archive)
    elsewhere(archive)

    with pytest.raises(PROCEDURE_ARCHIVED):
        start_run(submission=StartSubmission("gibson"), actor=operator, now=timestamps.now())
