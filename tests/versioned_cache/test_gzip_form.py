"""The gzip form of a body is made once a version: it costs a hundred times what a hit costs."""

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from procedures.caches import procedure_resource
from tests import factories
from tests.conftest import ApiClient
from versioned_cache import gzip_form
from versioned_cache.codings import Coding
from versioned_cache.engine import VersionedCache

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
NOBODY = procedure_resource("nobody")
SHAPE = "0123abcd"
GZIP = {"Accept-Encoding": "gzip"}
PATHS = ["/procedures", "/procedures/gibson"]
MEETING_SECONDS = 0.2


@pytest.fixture
def compressions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The bodies, and the blocks of bodies, that were compressed, whoever asked for it."""
    bodies: list[bytes] = []

    def counted(compress: Callable[..., bytes]) -> Callable[..., bytes]:
        def count(body: bytes, *arguments: Any) -> bytes:
            bodies.append(body)
            return compress(body, *arguments)

        return count

    with monkeypatch.context() as patch:
        for name in ("compressed", "compressed_block"):
            patch.setattr(gzip_form, name, counted(getattr(gzip_form, name)))
        yield bodies


@pytest.mark.parametrize("path", PATHS)
def test_it_is_made_at_the_first_request_alone(viewer: ApiClient, compressions: list[bytes], path: str) -> None:
    factories.publish(factories.body("gibson"))

    answers = [viewer.get(path, headers=GZIP) for _ in range(3)]

    assert len(compressions) == 1
    assert {gzip.decompress(answer.content) for answer in answers} == {viewer.get(path).content}


@pytest.mark.parametrize("path", PATHS)
def test_it_is_made_anew_after_a_write(viewer: ApiClient, compressions: list[bytes], path: str) -> None:
    factories.publish(factories.body("gibson", title="Old"))
    viewer.get(path, headers=GZIP)
    factories.publish(factories.body("gibson", title="New"))

    answer = viewer.get(path, headers=GZIP)

    assert b'"New"' in gzip.decompress(answer.content)
    assert len(compressions) == 2


@pytest.fixture
def cache(process: Callable[[], VersionedCache]) -> VersionedCache:
    """A process that has read nothing yet of a procedure."""
    factories.publish(factories.body("gibson"))
    return process()


def test_each_shape_has_its_own(cache: VersionedCache) -> None:
    shapes = [SHAPE, "ffffffff"]

    forms = [cache.coded(cache.read(GIBSON, shape, shape.encode), Coding.GZIP) for shape in shapes]

    assert [gzip.decompress(b"".join(form)).decode() for form in forms] == shapes


def test_that_of_what_has_no_version_is_never_kept(cache: VersionedCache) -> None:
    bodies = ["one", "other"]

    forms = [cache.coded(cache.read(NOBODY, SHAPE, body.encode), Coding.GZIP) for body in bodies]

    assert [gzip.decompress(b"".join(form)).decode() for form in forms] == bodies


def test_two_who_want_it_at_once_have_it_made_once(cache: VersionedCache, monkeypatch: pytest.MonkeyPatch) -> None:
    representation = cache.read(GIBSON, SHAPE, lambda: b"body")
    both_compress = Barrier(2)
    alone = []
    compress = gzip.compress

    def meet(body: bytes, *level: int) -> bytes:
        try:
            both_compress.wait(MEETING_SECONDS)
        except BrokenBarrierError:
            alone.append(True)
        return compress(body, *level)

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as threads:
        patch.setattr(gzip, "compress", meet)
        forms = list(threads.map(cache.coded, [representation] * 2, [Coding.GZIP] * 2))

    assert alone == [True]
    assert forms[0][0] is forms[1][0]
