"""What operators' commands see of the cache."""

import pytest
from django.core.management import call_command
from django.db import connection

from procedures.caches import PROCEDURE_LIST
from versioned_cache.inspection import known_resources


@pytest.mark.django_db
def test_the_versions_of_a_kind_that_was_given_up_are_passed_over(redis: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT raise_resource_version('given:up')")

    assert "given:up" not in {resource.name for resource in known_resources()}
    assert PROCEDURE_LIST in set(known_resources())
    call_command("bump_cache", "--all", verbosity=0)
