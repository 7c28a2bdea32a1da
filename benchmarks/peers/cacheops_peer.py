"""django-cacheops: the query sets' rows are cached and invalidated by the library; the settings say which."""

from benchmarks.peers.drf import ProcedureList

__all__ = ["ProcedureList"]
