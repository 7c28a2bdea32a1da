"""The states of a run, and the kinds of events that lead from one to the next."""

from django.db import models


class RunStatus(models.TextChoices):
    """The states of a run. There are no intermediate states to get stuck in."""

    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    COMPLETED = "completed"
    ABORTED = "aborted"


class EventKind(models.TextChoices):
    """What an event records."""

    START = "start"
    COMMIT = "commit"
    SKIP = "skip"
    AMEND = "amend"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


STEP_KINDS = [EventKind.COMMIT, EventKind.SKIP, EventKind.AMEND]
RESOLVING_KINDS = [EventKind.COMMIT, EventKind.SKIP]
ENDED = [RunStatus.COMPLETED, RunStatus.ABORTED]
NOT_ENDED = [RunStatus.IN_PROGRESS, RunStatus.PAUSED]
