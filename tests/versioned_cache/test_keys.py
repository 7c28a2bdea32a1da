"""The grammar of keys is the owner's, to the letter."""

import pytest

from procedures.caches import PROCEDURE_LIST, procedure_resource
from runs.caches import run_resource
from versioned_cache.keys import Resource


@pytest.mark.parametrize(
    ("resource", "counter_key", "payload_key"),
    [
        (PROCEDURE_LIST, "procedures:list:version", "procedures:list:v7"),
        (procedure_resource("gibson"), "procedures:procedure:gibson:version", "procedures:procedure:gibson:v7"),
        (run_resource("0193"), "procedures:run:0193:version", "procedures:run:0193:v7"),
    ],
)
def test_keys_are_spelled_as_the_owner_specified(resource: Resource, counter_key: str, payload_key: str) -> None:
    assert resource.counter_key == counter_key
    assert resource.payload_key(7) == payload_key


def test_the_key_of_a_fill_names_version_and_fingerprint() -> None:
    assert PROCEDURE_LIST.fill_key(7, "0123abcd") == "procedures:list:v7:fill:0123abcd"
