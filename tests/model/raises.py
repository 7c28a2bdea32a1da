"""What Redis does to a counter: lending it, and raising it by the script of `store.RAISE`."""

from tests.model.state import FOREVER, Counter, Redis, Rules


def lent(rules: Rules, redis: Redis, version: int, left: int) -> Redis:
    """SET counter version NX PXAT deadline. What is too late has expired before it arrives: the fence."""
    if rules.protocol.without_fence:
        left = rules.scenario.lease
    if rules.protocol.leases_raise:
        return raised(rules, redis, version, left)
    if redis.counter is not None or left == 0:
        return redis
    return redis._replace(counter=Counter(version, left))


def raised(rules: Rules, redis: Redis, version: int, left: int) -> Redis:
    """EVAL the raise script: value := max(value, version), expiry := max(expiry, deadline)."""
    held = redis.counter
    if held is None or rules.protocol.raise_lowers:
        return redis._replace(counter=Counter(version, left) if left else None)
    longest = held.left if rules.protocol.without_growing_expiry else max(held.left, left)
    return redis._replace(counter=Counter(max(held.version, version), longest))


def incremented(redis: Redis) -> Redis:
    """INCR counter; an absent one starts at the constant (without the anchor)."""
    held = redis.counter
    return redis._replace(counter=Counter(1 if held is None else held.version + 1, FOREVER))


def shown(redis: Redis) -> str:
    """Return the counter in words."""
    return "absent" if redis.counter is None else f"{redis.counter.version}, {redis.counter.left} ticks left"
