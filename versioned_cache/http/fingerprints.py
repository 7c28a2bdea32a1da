"""Fingerprints of bodies: old and new code of a rolling deploy never take each other's, in Redis or by a 304.

A fingerprint follows what the bytes are made of: the shape that the serializer declares, and the source of the modules
that write the body. A change there that leaves the bytes alone, such as a comment, costs one build of each body. What
else can change the bytes, such as a new version of a library, is noticed by tests that have pinned some bodies.
"""

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

from rest_framework.serializers import BaseSerializer

RENDERING = "1"  # to be changed when equal data are written differently, and nothing else here would show it


def fingerprint_of(serializer_class: type[BaseSerializer[Any]], *writers: ModuleType) -> str:
    """Return eight digits that change when bodies are written differently.

    Args:
        serializer_class: Declares the shape. REST framework represents it by all its fields with their arguments,
            nested ones too.
        writers: The modules that make the bytes.
    """
    digest = hashlib.sha256(f"{RENDERING}\n{serializer_class()!r}".encode())
    for writer in writers:
        digest.update(b"\n" + _source_of(writer))
    return digest.hexdigest()[:8]


def _source_of(module: ModuleType) -> bytes:
    """Return what Python loaded the module from."""
    if module.__file__ is None:
        raise ValueError(f"{module.__name__} has no file.")
    return Path(module.__file__).read_bytes()
