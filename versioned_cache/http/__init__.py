"""How a cached read is served over HTTP: validators, codings, the mixin of view sets, and the fast path.

It needs Django and REST framework, and nothing else of a project: who sends a request is a function handed in, and
errors are REST framework's.
"""
