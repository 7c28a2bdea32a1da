"""Which coding a client prefers."""

import pytest

from versioned_cache.codings import Coding, preferred_coding


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        (None, Coding.IDENTITY),
        ("", Coding.IDENTITY),
        ("identity", Coding.IDENTITY),
        ("gzip", Coding.GZIP),
        ("x-gzip", Coding.GZIP),
        ("GZIP", Coding.GZIP),
        ("gzip, deflate, br, zstd", Coding.GZIP),
        ("br", Coding.IDENTITY),
        ("*", Coding.GZIP),
        ("*;q=0.5", Coding.GZIP),
        ("gzip;q=0", Coding.IDENTITY),
        ("gzip;q=0, *", Coding.IDENTITY),
        ("gzip;q=0.000, br", Coding.IDENTITY),
        ("gzip;q=0.5, identity;q=0.8", Coding.IDENTITY),
        ("gzip;q=0.8, identity;q=0.5", Coding.GZIP),
        ("gzip;q=0.5, identity;q=0.5", Coding.GZIP),
        ("identity;q=0, gzip", Coding.GZIP),
        ("gzip ; q=1.0 , *;q=0", Coding.GZIP),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity;q=0, br", None),
        ("*;q=0, identity", Coding.IDENTITY),
        ("gzip;q=nonsense", Coding.IDENTITY),
        ("gzip;q=2", Coding.IDENTITY),
        (",,;q=1,gzip", Coding.GZIP),
    ],
)
def test_a_client_prefers(accept_encoding: str | None, coding: Coding | None) -> None:
    assert preferred_coding(accept_encoding) is coding
