"""How often a token may be used, and how often an address may send wrong tokens. The numbers are settings."""

from django.conf import settings

from rest.rate_limits import Policy

READS = Policy("reads", settings.TOKEN_READS_PER_MINUTE)
WRITES = Policy("writes", settings.TOKEN_WRITES_PER_MINUTE)
WRONG_TOKENS = Policy("wrong-tokens", settings.WRONG_TOKENS_PER_MINUTE)
POLICIES = (READS, WRITES, WRONG_TOKENS)
