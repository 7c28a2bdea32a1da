"""The environment, read strictly: what is wrong with any variable stops the start, and all of it is said at once."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
Rule = Callable[[str], T]
"""Reads a value, or raises `ValueError` with what is wrong with it, but never with a value that may be secret."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
OUR_PREFIXES = ("CACHE_", "SERVE_")
# Kubernetes and container links describe a service that is called `cache` to all of its neighbours.
FROM_THE_PLATFORM = re.compile(r"\w+?_(SERVICE_(HOST|PORT)\w*|PORT(_\d+_\w+)?|NAME|ENV_\w+)")


class WrongEnvironment(ImproperlyConfigured):
    """The environment has variables that the service cannot start with; the message has one line for each."""


class Environment:
    """Reads variables. What is wrong with them is collected, and reported by `close`.

    An empty variable counts as one that is not set.

    Args:
        variables: The variables by name.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._known: set[str] = set()
        self._problems: list[str] = []
        self._lacks_something = False

    def required(self, name: str, rule: Rule[T], *, stand_in: T) -> T:
        """Return what a rule makes of a variable that must be set; `stand_in` where it is wrong."""
        self._known.add(name)
        if not self._variables.get(name):
            self._lacks_something = True
            self._problems.append(f"{name} is required; .env.example explains it.")
            return stand_in
        return self._read(name, rule, stand_in)

    def optional(self, name: str, rule: Rule[T], *, default: T) -> T:
        """Return what a rule makes of a variable; the default where it is not set, or wrong."""
        self._known.add(name)
        return self._read(name, rule, default) if self._variables.get(name) else default

    def close(self) -> None:
        """End reading.

        Raises:
            WrongEnvironment: something was wrong.
        """
        self._problems += [self._unknown(name) for name in sorted(self._variables) if self._is_unknown(name)]
        if self._lacks_something:
            self._problems.append("To look around without any setting, run `make demo`.")
        if self._problems:
            raise WrongEnvironment("\n".join(self._problems))

    def _read(self, name: str, rule: Rule[T], otherwise: T) -> T:
        text = self._variables[name]
        try:
            if CONTROL.search(text):
                raise ValueError("must have no line break, tab or other control character")  # noqa: TRY301
            return rule(text)
        except ValueError as error:
            self._problems.append(f"{name} {error}.")
            return otherwise

    def _is_unknown(self, name: str) -> bool:
        return name.startswith(OUR_PREFIXES) and name not in self._known and not FROM_THE_PLATFORM.fullmatch(name)

    def _unknown(self, name: str) -> str:
        similar = get_close_matches(name, sorted(self._known), n=1)
        return f"{name} is not a setting of this service" + (f"; did you mean {similar[0]}?" if similar else ".")
