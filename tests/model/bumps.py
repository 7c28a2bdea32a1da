"""What Redis does to a counter: bumping it by the script of `store.BUMP`, or what stands in for that."""

from tests.model.state import FOREVER, Counter, Redis, Rules


def lent(rules: Rules, redis: Redis, version: int, left: int) -> Redis:
    """A reader's bump; or, in its place, SET counter version NX PXAT deadline."""
    if not rules.protocol.lends_if_absent:
        return bumped(rules, redis, version, left)
    if redis.counter is not None:
        return redis
    return redis._replace(counter=Counter(version, rules.scenario.lease if rules.protocol.without_fence else left))


def bumped(rules: Rules, redis: Redis, version: int, left: int) -> Redis:
    """EVAL the bump script: value := max(value, version), expiry := max(expiry, deadline) unless the value is newer."""
    held = redis.counter
    if rules.protocol.without_fence:
        left = rules.scenario.lease
    if held is None or rules.protocol.bump_lowers:
        return redis._replace(counter=Counter(version, left) if left else None)
    if held.version > version:
        return redis
    longest = held.left if rules.protocol.without_growing_expiry else max(held.left, left)
    return redis._replace(counter=Counter(version, longest))


def incremented(redis: Redis) -> Redis:
    """INCR counter; an absent one starts at the constant (without the anchor)."""
    held = redis.counter
    return redis._replace(counter=Counter(1 if held is None else held.version + 1, FOREVER))


def shown(redis: Redis) -> str:
    """Return the counter in words."""
    return "absent" if redis.counter is None else f"{redis.counter.version}, {redis.counter.left} ticks left"
