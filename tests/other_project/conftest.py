"""One bookshop for all tests, served by two processes; and a book of its own for each."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.other_project.surroundings import Shop, Surroundings, Valkey
from tests.processes import eventually


@pytest.fixture(scope="session")
def running_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey of the bookshop's own, that tests may end."""
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    yield valkey
    valkey.client.close()
    valkey.end()


@pytest.fixture(scope="session")
def surroundings(running_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """A migrated database of the bookshop's own."""
    surroundings = Surroundings(running_valkey.url, tmp_path_factory.mktemp("bookshop"))
    surroundings.create_database()
    surroundings.run("python", "-m", "django", "migrate")
    yield surroundings
    surroundings.drop_database()


@pytest.fixture(scope="session")
def running_shops(surroundings: Surroundings) -> Iterator[tuple[Shop, Shop]]:
    """Two processes that serve the bookshop."""
    with ExitStack() as stack:
        shops = Shop(surroundings), Shop(surroundings)
        for shop in shops:
            stack.callback(shop.end)
        for shop in shops:
            shop.wait_until_ready()
        yield shops


@pytest.fixture
def valkey(running_valkey: Valkey, running_shops: tuple[Shop, Shop]) -> Iterator[Valkey]:
    """The bookshop's Valkey; at the end it runs, and every process uses it."""
    yield running_valkey
    if running_valkey.is_ended:
        running_valkey.start()
        for shop in running_shops:
            eventually(shop.uses_redis)


@pytest.fixture
def shops(running_shops: tuple[Shop, Shop], valkey: Valkey) -> tuple[Shop, Shop]:
    """Two processes that serve the bookshop, healthy."""
    return running_shops


@pytest.fixture
def shop(shops: tuple[Shop, Shop]) -> Shop:
    """One of the two."""
    return shops[0]


@pytest.fixture
def slug(shop: Shop) -> str:
    """The slug of a book that nobody has read yet, for 12.50."""
    slug = f"dune-{secrets.token_hex(4)}"
    shop.put(slug, title="Dune", price="12.50")
    return slug
