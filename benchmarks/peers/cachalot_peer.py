"""django-cachalot: every statement's rows are cached, and invalidated by table, without a line of code."""

from benchmarks.peers.drf import ProcedureList

__all__ = ["ProcedureList"]
