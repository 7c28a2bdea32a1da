"""What the playbooks give to paste: PostgreSQL and Redis take it, and it names what there is."""

import re
import shlex

import pytest
from django.db import connection
from redis import Redis, ResponseError

from tests import PROJECT_DIR
from versioned_cache.refusals import REFUSALS, Scope

PLAYBOOKS = (PROJECT_DIR / "docs" / "operations" / "playbooks.md").read_text(encoding="utf-8")
STATEMENTS = re.findall(r"```sql\n(.+?)```", PLAYBOOKS, re.DOTALL)
LOOKS = sorted(set(re.findall(r"`redis-cli ((?!config set|script kill)[a-z][^`]*)`", PLAYBOOKS)))
ALERTS = re.findall(r"^## (\w+)$", PLAYBOOKS, re.MULTILINE)


@pytest.mark.django_db
@pytest.mark.parametrize("statement", STATEMENTS)
def test_postgresql_takes_the_statements(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("look", LOOKS)
def test_redis_understands_the_looks(look: str, redis: Redis) -> None:
    try:
        redis.execute_command(*shlex.split(look))  # type: ignore[no-untyped-call]
    except ResponseError as error:
        if "cluster support disabled" not in str(error):
            raise


def test_each_refusal_of_a_server_has_its_row() -> None:
    (table,) = re.findall(r"\| code \|.+?\n\n", PLAYBOOKS, re.DOTALL)
    rows = re.findall(r"^ +\| (`[A-Z`, ]+`) \|", table, re.MULTILINE)

    explained = {code for row in rows for code in re.findall(r"\w+", row)}
    assert explained == {code for code, refusal in REFUSALS.items() if refusal.scope is not Scope.KEY}


def test_every_symptom_leads_to_a_playbook() -> None:
    rows = re.findall(r"^\| (?!you see|---).+? \| (.+) \|$", PLAYBOOKS.split("\n## ")[0], re.MULTILINE)

    assert rows
    for row in rows:
        named = re.findall(r"\b(?:[A-Z][a-z]+){2,}\b|\bPostgreSQL\w+|\bRedis\w+", row)
        assert named
        assert set(named) - set(ALERTS) == set()
