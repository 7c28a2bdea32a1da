"""Records each password hashing of a server, in the library that does all of it.

Python imports this module when it starts (`site`), if this folder is in PYTHONPATH. Each line has a process id, and +1
when a hashing begins or -1 when it ends.
"""

import os
from collections.abc import Callable
from typing import Any

import argon2

record = os.open(os.environ["HASHING_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _watched(hashing: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*arguments: Any, **options: Any) -> Any:
        os.write(record, f"{os.getpid()} +1\n".encode())
        try:
            return hashing(*arguments, **options)
        finally:
            os.write(record, f"{os.getpid()} -1\n".encode())

    return watched


argon2.low_level.hash_secret = _watched(argon2.low_level.hash_secret)
argon2.PasswordHasher.verify = _watched(argon2.PasswordHasher.verify)  # type: ignore[method-assign]
