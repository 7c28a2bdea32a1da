"""What a project may want to hear of a long build."""

from django.dispatch import Signal

build_goes_on = Signal()
"""Sent in the thread that builds, before each further statement of a build that takes several: PostgreSQL has answered,
and there is more to ask. A project that limits how long a request may wait can let it wait anew."""
