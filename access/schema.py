"""What the operation that tells clients who they are promises; /openapi.json is made from it."""

from access.rights import Right
from access.serializers import MeSerializer
from rest.headers import NO_CACHE
from rest.operations import Operation

OPERATOR = {Right.READ_PROCEDURES, Right.READ_RUNS, Right.EXECUTE_RUNS}

ME_OPERATIONS = {
    "retrieve": Operation(
        id="getMe",
        summary="Read who you are",
        description="Whose token this is, what they may do, and how often. You may commit a step that asks for a role "
        "if the role is among `roles`, or `admin` is.",
        parameters=(NO_CACHE,),
        answer=MeSerializer,
        example={
            "id": 7,
            "username": "mkoch",
            "name": "Maria Koch",
            "roles": ["operator"],
            "rights": {right.name.lower(): right in OPERATOR for right in Right},
            "token": {"name": "bench 4 tablet", "expires_at": None},
            "quota": {"reads_per_minute": None, "writes_per_minute": 600},
        },
    ),
}
