"""What invalidates cached procedures: saving or deleting a head.

Revisions and steps need no receiver: published ones never change, and no cached body contains a draft.
"""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from procedures.caches import PROCEDURE_LIST, procedure_resource
from procedures.models import Procedure
from versioned_cache.invalidation import invalidate_on_commit


@receiver([post_save, post_delete], sender=Procedure)
def bump_procedure(instance: Procedure, **_signal: Any) -> None:
    """Bump the list and the procedure."""
    invalidate_on_commit(PROCEDURE_LIST, procedure_resource(instance.key))
