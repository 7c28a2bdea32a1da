"""The problem types of runs."""

from http import HTTPStatus

from rest.problems import Member, problem_type
from runs.examples import COMMIT
from runs.states import RunStatus

RUN_STATUS = {"type": "string", "enum": RunStatus.values}
STEP_KEYS = {"type": "array", "items": {"type": "string"}}

RUN_NOT_FOUND = problem_type(
    HTTPStatus.NOT_FOUND, "run-not-found", "There is no such run", "No run has this id."
)  # fmt: skip
STEP_NOT_FOUND = problem_type(
    HTTPStatus.NOT_FOUND, "step-not-found", "The run's revision has no such step",
    "The run's revision has no step with this key.",
    revision=Member({"type": "integer"}, 3), known_steps=Member(STEP_KEYS, ["incubate", "transform"]),
)  # fmt: skip
PROCEDURE_ARCHIVED = problem_type(
    HTTPStatus.CONFLICT, "procedure-archived", "The procedure is archived and takes no new runs",
    "The procedure is archived.",
)  # fmt: skip
RUN_NOT_IN_PROGRESS = problem_type(
    HTTPStatus.CONFLICT, "run-not-in-progress", "The run's state does not allow this",
    "The operation is not allowed in the run's current state.",
    run_status=Member(RUN_STATUS, "paused"),
)  # fmt: skip
RUN_TOO_LONG = problem_type(
    HTTPStatus.CONFLICT, "run-too-long", "The run has too many events: it can only be finished",
    "The run has so many events that it takes only those that finish it.",
)  # fmt: skip
RUN_NOT_FINISHED = problem_type(
    HTTPStatus.CONFLICT, "run-not-finished", "Only finished runs are exported",
    "The run is neither completed nor aborted.",
    run_status=Member(RUN_STATUS, "in_progress"),
)  # fmt: skip
STEP_OUT_OF_ORDER = problem_type(
    HTTPStatus.CONFLICT, "step-out-of-order", "Earlier steps come first",
    "The order is strict, and earlier steps are not resolved yet.",
    blocking_steps=Member(STEP_KEYS, ["quantify"]),
)  # fmt: skip
STEP_ALREADY_COMMITTED = problem_type(
    HTTPStatus.CONFLICT, "step-already-committed", "The step has already been committed",
    "The step has already been committed or skipped; `commit` is the effective event.",
    commit=Member({"$ref": "#/components/schemas/Commit"}, COMMIT),
)  # fmt: skip
STEP_NOT_SKIPPABLE = problem_type(
    HTTPStatus.CONFLICT, "step-not-skippable", "This step cannot be skipped", "The step must be done."
)  # fmt: skip
AMEND_TARGET_STALE = problem_type(
    HTTPStatus.CONFLICT, "amend-target-stale", "That is not the event that counts",
    "The amendment names an event that is not, or no longer, the effective one.",
    effective_seq=Member({"type": ["integer", "null"]}, 5),
)  # fmt: skip
