"""Settings of a peer whose answers are compressed by Django's own middleware, at each request."""

from benchmarks.peers.settings import *  # noqa: F403
from benchmarks.peers.settings import MIDDLEWARE

MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *MIDDLEWARE]  # first, as its documentation says
