"""The rules of the environment: what they take, what they refuse, and that they keep secrets to themselves."""

import secrets

import pytest

from procedures_project import environment_rules as rules
from versioned_cache.configuration import checked_redis_url

key = rules.secret(32)


@pytest.mark.parametrize(
    "made",
    [secrets.token_urlsafe(50), secrets.token_hex(16), secrets.token_hex(32), "aB3$xY7!" * 4 + "q9Zt=1_k.Lr2"],
    ids=["urlsafe", "short-hex", "long-hex", "typed"],  # the same in each process of tests
)
def test_a_random_key_is_taken(made: str) -> None:
    assert key(made) == made


@pytest.mark.parametrize(
    "worthless",
    [
        "a" * 32,
        "ab" * 20,
        "0123456789abcdef" * 1 + "0" * 30,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "zyxwvutsrqponmlkjihgfedcba9876543210",
        "k7Fq2xB9" * 6,
        "correct-horse" * 3 + "cor",
        "django-insecure-4n1r(5x@k3v#p9z!m7w&q2",
        "change-me-change-me-change-me-really!",
        "only-for-collectstatic-at-build-time",
        "no-secret-only-for-the-static-checks",
        "My Own SECRET key, 2026-11-26 10:35 Xy",
        "aaaaaaaaaaaabbbbbbbbbbbbcccccccccccc",
    ],
)
def test_a_key_that_somebody_made_up_or_copied_is_refused(worthless: str) -> None:
    with pytest.raises(ValueError, match="is no secret") as refusal:
        key(worthless)

    assert worthless not in str(refusal.value)


def test_random_keys_of_the_least_length_are_never_taken_for_made_up_ones() -> None:
    for _ in range(5_000):
        key(secrets.token_hex(16))
        rules.secret(16)(secrets.token_urlsafe(12))


@pytest.mark.parametrize("host", ["example.com", ".example.com", "localhost", "10.0.0.7", "[::1]", "a-b.Example.COM"])
def test_a_host_is_taken(host: str) -> None:
    assert rules.allowed_host(host) == host


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        ("*", "is not allowed"),
        ("*.example.com", "write '.example.com'"),
        ("https://example.com", "without scheme"),
        ("example.com/path", "without scheme and path"),
        ("example.com:8000", "without the port"),
        ("[::1]:8000", "without the port"),
        ("::1", "in brackets"),
        ("example_host", "not the name of a host"),
        ("example.com.", "not the name of a host"),
        ("exa mple.com", "not the name of a host"),
        (".", "not the name of a host"),
        ("münchen.example", "not the name of a host"),
    ],
)
def test_a_host_that_matches_nothing_is_refused_with_advice(host: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        rules.allowed_host(host)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])  # noqa: S104
def test_an_address_to_listen_at_is_taken(address: str) -> None:
    assert rules.listening_address(address) == address


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:8000", "[::1]"])
def test_what_is_no_address_to_listen_at_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be an IP address, such as 127\.0\.0\.1 or 0\.0\.0\.0, not"):
        rules.listening_address(text)


@pytest.mark.parametrize(("text", "share"), [("0", 0), ("1", 1), ("1.0", 1), ("0.01", 0.01)])
def test_a_share_is_taken(text: str, share: float) -> None:
    assert rules.share(text) == share


@pytest.mark.parametrize("text", ["1.1", "-0.5", "1e-2", ".5", "nan", "0,5", "50%"])
def test_what_is_not_a_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a share between them"):
        rules.share(text)


def test_a_setting_whose_packages_are_absent_is_refused_with_the_command_that_brings_them() -> None:
    with pytest.raises(ValueError, match=r"pip install -r requirements/telemetry\.txt"):
        rules.with_extra("absent.package", rules.text)("anything")


@pytest.mark.parametrize("url", ["collector:4318", "grpc://collector", "http://", "http://u:hunter2@collector"])
def test_a_collector_is_a_url_without_a_password(url: str) -> None:
    with pytest.raises(ValueError, match="must be a URL") as refusal:
        rules.endpoint(url)

    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("dsn", ["https://sentry.example/7", "https://hunter2@sentry.example", "hunter2"])
def test_a_dsn_has_a_key_and_a_project(dsn: str) -> None:
    with pytest.raises(ValueError, match="must be a DSN") as refusal:
        rules.sentry_dsn(dsn)

    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_nobody_can_trust_everybody(network: str) -> None:
    with pytest.raises(ValueError, match="everybody"):
        rules.proxy(network)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "nginx", "10.0.0.256", "10.0.0.0/33"])
def test_a_proxy_is_an_address_a_network_or_unix(network: str) -> None:
    with pytest.raises(ValueError, match="addresses, networks or unix"):
        rules.proxy(network)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2@db/x",
        "hunter2",
        "postgresql://u:hun@ter2@db/x",
        "postgresql://u:hunter2/x@db/x",
        "postgresql://u:hunter2%zz@db/x",
        "postgresql://u:hunter2@db",
        "postgresql://u:hunter2@db:54a2/x",
        "postgresql://u:hunter2@db/x?no_such_parameter=1",
        "postgresql://u:hunter2@db/x?connect_timeout=soon",
        "postgresql://u:hunter2@db/x?sslmode=maybe",
        "postgresql://u:PASSWORD@db/x",
        "host=db dbname=x password='hunter2",
    ],
)
def test_a_database_that_nobody_can_connect_to_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        rules.postgresql_parameters(url)

    assert "ter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///x",
        "postgres://u@db/x",
        "postgresql://u:hun%40ter2@[::1]:5432/x?sslmode=verify-full&connect_timeout=9",
        "postgresql://u@a,b:5432,5433/x?target_session_attrs=read-write",
        "host=/run/postgresql dbname=x",
        "service=procedures",
    ],
)
def test_a_database_of_any_form_that_libpq_knows_is_taken(url: str) -> None:
    assert rules.postgresql_parameters(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hunter2@cache",
        "hunter2",
        "redis:/u:hunter2@cache",
        "redis://u:hunter2/x@cache:6379/0",
        "redis://u:hunter2@cache:port/0",
        "redis://u:hunter2@cache:65536/0",
        "redis://u:hunter2@cache:0/0",
        "redis://u:hunter2@cache/first",
        "redis://u:hunter2@cache/0/1",
        "redis://u:hunter2@[::1/0",
        "redis://u:hunter2@cache/0?no_such_option=1",
        "redis://u:hunter2@cache/0?socket_timeout=soon",
        "redis://u:hun?ter2@cache",
        "redis://u:hunter2@a,b",
        "redis://u:hunter2@",
        "redis://u:hunter2@cache/0?ssl_ca_certs=/etc/hosts",
        "rediss://u:hunter2@cache/0?ssl_ca_certs=/no/such/file",
        "rediss://u:hunter2@cache/0?ssl_ca_certs=/etc/hosts",
        "rediss://u:hunter2@cache/0?ssl_cert_reqs=maybe",
        "redis+sentinel://u:hunter2@a,b",
        "redis+sentinel://u:hunter2@a/mymaster/0/1",
        "redis+sentinel://u:hunter2@a,/mymaster",
        "redis+cluster://u:hunter2@a/1",
        "redis+cluster://u:hunter2@a/0?sentinel_password=hunter2",
        "redis+ring://u:hunter2@a",
    ],
)
def test_a_redis_that_nobody_can_connect_to_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        checked_redis_url(url)

    assert "ter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "redis://:hun%2Fter2@cache:6380/3",
        "redis://u:hun%2Fter2@[::1]:6379",
        "redis://u:hunter2#@cache",
        "rediss://u:p@cache/0?ssl_min_version=1.3&ssl_check_hostname=false",
        "rediss://cache?ssl_cert_reqs=none",
        "redis+sentinel://u:p@a,b:26380,[::1]:26379/mymaster/2?sentinel_password=p",
        "rediss+sentinel://a/my%2Fmaster",
        "redis+cluster://u:p@a:6379,b",
        "rediss+cluster://a/0",
        "unix:///run/valkey.sock?db=1",
    ],
)
def test_a_redis_of_any_form_that_its_library_knows_is_taken(url: str) -> None:
    assert checked_redis_url(url) == url
