"""What a long proof that is run by itself needs before it imports the tests' tools: settings, which pytest else gives.

Nothing connects to the servers that are named here; a proof starts its own.
"""

import logging
import os

import django

from tests.servers import ENVIRONMENT

os.environ |= ENVIRONMENT | {"DATABASE_URL": "postgresql:///unused", "REDIS_URL": "redis://unused"}
os.environ["DJANGO_SETTINGS_MODULE"] = "procedures_project.settings"
django.setup()
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell of each request
