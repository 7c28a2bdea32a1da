"""Procedures in the admin: the head, its revisions, and the draft that becomes the next one.

A published revision is read-only. Authors edit the draft and publish it.
"""

from procedures.admin import heads, revisions

__all__ = ["heads", "revisions"]
