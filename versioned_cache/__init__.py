"""A cache of rendered bodies under versioned keys, which is never stale after a write was answered.

Each *resource* has a *counter* in Redis that holds its current *version*, and each version's rendered body,
the *payload*, lies under a key that contains the number. A reader takes the version **before** the rows; a
writer bumps it **after** its transaction has committed and before it answers. So whatever a reader stores
late is stored under a number that nobody asks for any more, and nothing ever has to be deleted.

    representation = cache.read(resource, fetcher)     # in a view
    invalidate_on_commit(resource)                     # in a signal receiver

The engine knows no domain model and no HTTP. `docs/cache-protocol.md` has the races, each with its test.
"""
