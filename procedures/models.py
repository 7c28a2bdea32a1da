"""Procedures, their revisions and steps. What must always hold is a constraint in the database."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from procedures.definitions import STEP_MEMBERS, Definition
from procedures.problems import PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND
from procedures.search import MAX_TEXTS, contains, grams_of, has_grams_of, ids_if_few
from rest.exact_json import ExactDecoder, ExactEncoder
from rest.fields import SLUG

validate_slug = RegexValidator(SLUG, "Use lower-case letters, digits and single hyphens.")


class ProcedureStatus(models.TextChoices):
    """Whether new runs may start."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class Ordering(models.TextChoices):
    """Whether steps must be resolved one after the other, or in any order."""

    STRICT = "strict"
    ANY = "any"


class ProcedureQuerySet(models.QuerySet["Procedure"]):
    """Queries for procedures."""

    def published(self) -> "ProcedureQuerySet":
        """Return the procedures that have a current revision; one that has only a draft does not exist for the API."""
        return self.filter(current__isnull=False)

    def with_steps(self) -> "ProcedureQuerySet":
        """Return the procedures with their current revisions and steps, in two statements."""
        return self.select_related("current").prefetch_related("current__steps")

    def containing(self, text: str) -> "ProcedureQuerySet":
        """Return the procedures with this text in their key, title or description, in capitals or not."""
        return self.candidates_for([text]).filter(contains(text))

    def candidates_for(self, texts: Iterable[str]) -> "ProcedureQuerySet":
        """Return the procedures that an index finds for these texts: all that contain each of them, and few others."""
        looked_for = [has_grams_of(text) for text in texts if text][:MAX_TEXTS]
        if not looked_for:
            return self
        return self.filter(pk__in=ProcedureGrams.objects.filter(*looked_for).values("procedure"))

    def lock_published(self, key: str) -> "Procedure":
        """Lock the row of the procedure with this key until the transaction ends, and return it like `get_published`.

        Lock first, join afterwards: after waiting for a lock PostgreSQL sees the new row but the old joined row, and
        if the two no longer match it finds nothing.

        Raises:
            PROCEDURE_NOT_FOUND: as for `get_published`.
        """
        self.select_for_update(no_key=True).filter(key=key).first()
        return self.get_published(key)

    def get_published(self, key: str) -> "Procedure":
        """Return the procedure with this key and its current revision.

        Raises:
            PROCEDURE_NOT_FOUND: no procedure has this key, or it has only a draft.
        """
        procedure = self.published().select_related("current").filter(key=key).first()
        if procedure is None:
            raise PROCEDURE_NOT_FOUND
        return procedure


class Procedure(models.Model):
    """The head of a procedure: the only part that changes."""

    # The C collation makes "ordered by key" the same everywhere, whatever the database's locale.
    key = models.CharField(max_length=63, unique=True, validators=[validate_slug], db_collation="C")
    status = models.CharField(max_length=8, choices=ProcedureStatus, default=ProcedureStatus.ACTIVE)
    tags = ArrayField(models.CharField(max_length=63, validators=[validate_slug]), default=list, blank=True)
    current = models.OneToOneField("Revision", models.PROTECT, null=True, related_name="+", editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = ProcedureQuerySet.as_manager()

    class Meta:
        ordering = ["key"]
        indexes = [
            # Without the list of pending entries, which each search would have to read.
            GinIndex(fields=["tags"], name="procedure_by_tag", fastupdate=False),
            models.Index(fields=["status", "key"], name="procedure_by_status"),
            models.Index(fields=["updated_at"], name="procedure_by_update"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=ProcedureStatus.values), name="procedure_status_is_known"),
            models.CheckConstraint(condition=Q(key__regex=r"^[a-z0-9]+(-[a-z0-9]+)*$"), name="procedure_key_is_a_slug"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def current_revision(self) -> "Revision":
        """The current revision of a published procedure.

        Raises:
            PROCEDURE_NOT_FOUND: the procedure has only a draft.
        """
        if self.current is None:
            raise PROCEDURE_NOT_FOUND
        return self.current

    def published_revision(self, number: int) -> "Revision":
        """Return the revision with this number.

        Raises:
            REVISION_NOT_FOUND: no published revision has this number.
        """
        revision = self.revisions.filter(number=number).first()
        if revision is None:
            raise REVISION_NOT_FOUND
        return revision


class ProcedureGrams(models.Model):
    """The grams that a procedure is found by. The database makes them, and removes them: `procedures.search`."""

    procedure = models.OneToOneField(Procedure, models.DO_NOTHING, primary_key=True, related_name="+")
    grams = SearchVectorField()

    class Meta:
        default_permissions = ()  # nobody sees or changes them
        indexes = [GinIndex(fields=["grams"], name="procedure_grams_by_gram", fastupdate=False)]

    def __str__(self) -> str:
        return str(self.grams)


class RevisionQuerySet(models.QuerySet["Revision"]):
    """Queries for revisions."""

    def candidates_for(self, texts: Iterable[str]) -> "RevisionQuerySet":
        """Return those that have each of these texts in their key or title, and some others: few, if one text is rare.

        Of one text alone can an index tell, since each may be in either place.
        """
        looked_for = [text for text in texts if text][:MAX_TEXTS]
        found = [ids_if_few(_revisions_with_grams_of(text)) for text in looked_for]
        fewest = min((few for few in found if few is not None), key=len, default=None)
        return self if fewest is None else self.filter(pk__in=fewest)


def _revisions_with_grams_of(text: str) -> models.QuerySet["Revision", Any]:
    in_titles = Revision.objects.filter(has_grams_of(text, grams_of("title"))).order_by().values("pk")
    procedures = Procedure.objects.candidates_for([text]).order_by().values("pk")
    in_keys = Revision.objects.filter(procedure__in=procedures).order_by().values("pk")
    return in_titles.union(in_keys, all=True)


class Revision(models.Model):
    """One revision of a procedure. A draft has no number; a published revision never changes."""

    procedure = models.ForeignKey(Procedure, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField(null=True, editable=False)
    based_on = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", editable=False)
    title = models.CharField(max_length=200)
    description = models.TextField(max_length=4000, blank=True)
    ordering = models.CharField(max_length=6, choices=Ordering, default=Ordering.STRICT)
    change_note = models.TextField(max_length=500, blank=True)
    content_sha256 = models.CharField(max_length=64, editable=False, blank=True)
    # How many steps a published revision has, so that the database can refuse one more.
    step_count = models.PositiveSmallIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", editable=False,
        help_text="Nobody: imported on the command line.",
    )  # fmt: skip
    created_at = models.DateTimeField(editable=False)
    published_at = models.DateTimeField(null=True, editable=False)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ["procedure", "number"]
        indexes = [GinIndex(grams_of("title"), name="revision_by_gram", fastupdate=False)]
        constraints = [
            models.UniqueConstraint(fields=["procedure", "number"], name="revision_number_is_unique_in_its_procedure"),
            models.UniqueConstraint(
                fields=["procedure"], condition=Q(number__isnull=True), name="procedure_has_at_most_one_draft"
            ),
            models.CheckConstraint(
                condition=Q(number__isnull=True, published_at__isnull=True)
                | Q(number__isnull=False, number__gte=1, published_at__isnull=False),
                name="revision_is_numbered_when_published",
            ),
            models.CheckConstraint(condition=Q(ordering__in=Ordering.values), name="revision_ordering_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.procedure} {f'revision {self.number}' if self.number else 'draft'}"

    @property
    def is_draft(self) -> bool:
        """Whether it may still be edited."""
        return self.number is None


class Receipt(models.Model):
    """What a write with an Idempotency-Key led to, so that a repetition gets the same answer.

    The procedure is active in every such answer, since only creating and publishing take a key.
    """

    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    idempotency_key = models.CharField(max_length=255)
    request_sha256 = models.CharField(max_length=64)
    # The head right after the write; if the write made no revision, an older one is current.
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="+")
    tags = ArrayField(models.CharField(max_length=63), default=list, blank=True)
    updated_at = models.DateTimeField()
    # The answer to the byte; receipts from before answers were kept have none.
    body = models.BinaryField(null=True)
    entity_tag = models.CharField(max_length=63, null=True)  # noqa: DJ001  # null is "not kept"

    class Meta:
        default_permissions = ()  # nobody sees or changes them
        constraints = [
            models.UniqueConstraint(
                fields=["author", "idempotency_key"], name="receipt_is_written_once_per_idempotency_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.revision} for {self.idempotency_key}"


class Step(models.Model):
    """One step of a revision, frozen with it."""

    revision = models.ForeignKey(Revision, models.CASCADE, related_name="steps")
    key = models.CharField(max_length=63, validators=[validate_slug])
    position = models.PositiveSmallIntegerField(help_text="The steps are done in this order, when the order is strict.")
    title = models.CharField(max_length=200)
    instructions = models.TextField(max_length=8000, blank=True, help_text="Markdown.")
    caution = models.TextField(max_length=2000, null=True, blank=True)  # noqa: DJ001  # null is the API's "none"
    role = models.CharField(  # noqa: DJ001  # null is the API's "anybody"
        max_length=150, null=True, blank=True, help_text="The group whose members alone may commit the step."
    )
    skippable = models.BooleanField(default=False)
    expected_duration_s = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(31_536_000)]
    )
    slots = models.JSONField(default=list, blank=True, encoder=ExactEncoder, decoder=ExactDecoder)
    checklist = models.JSONField(default=list, blank=True, encoder=ExactEncoder, decoder=ExactDecoder)

    class Meta:
        ordering = ["position"]
        constraints = [
            # Deferred: when two steps swap positions or keys, they are saved one after the other.
            models.UniqueConstraint(
                fields=["revision", "key"],
                name="step_key_is_unique_in_its_revision",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(
                fields=["revision", "position"],
                name="step_position_is_unique_in_its_revision",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return self.key


def step_members(step: Step) -> dict[str, Any]:
    """Return the content of a step, without its position."""
    return {name: getattr(step, name) for name in STEP_MEMBERS}


def content_of(revision: Revision) -> Definition:
    """Return the content of a revision as stored, unchecked: a draft may break rules."""
    return Definition(
        key=revision.procedure.key,
        tags=revision.procedure.tags,
        title=revision.title,
        description=revision.description,
        ordering=revision.ordering,
        change_note=revision.change_note,
        steps=[step_members(step) for step in revision.steps.all()],
    )
