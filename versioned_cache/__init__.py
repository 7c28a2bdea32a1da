"""A cache of rendered bodies under versioned keys, which is never stale once a write was answered.

Each *resource* has a *counter* in Redis: a leased copy of its *version* in PostgreSQL. The rendered body of a version,
the *payload*, lies under a key that contains the number. A reader takes the version **before** the rows; a writer bumps
it **after** COMMIT and before it answers. So a late reader stores its body under a number that nobody asks for any
more, and nothing ever has to be deleted.

A project declares its reads (`reads.declare`), watches its tables (`triggers.WatchTable`) and bumps what it writes
(`invalidation.invalidate_on_commit`): docs/how-to/cache-a-read.md. The races, each with its test, are in
docs/cache-protocol.md. Nothing here knows a domain model, and only `versioned_cache.http` knows REST framework.
"""
