"""The same read of the same rows, cached in the ways that a Django project usually caches.

Each peer is one module here with a view called `ProcedureList`, and runs in a process of its own: cachalot and
cacheops change Django's query sets for everybody in their process. Where its documentation leaves a choice, a peer
gets the cheaper one: benchmarks/README.md lists them.
"""

PEERS = ("drf", "drf_extensions", "cache_page", "cacheops_peer", "cachalot_peer", "incr")

CACHE_LIFETIME_SECONDS = 300  # the service's own
