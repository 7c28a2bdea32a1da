#!/bin/sh
# Pins every dependency of pyproject.toml with hashes, one file an installation.
set -eu
cd "$(dirname "$0")/.."
# With extras: pip wants those of a pin that another package asks for.
pin() {
    uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
        pyproject.toml "$@"
}
pin --output-file requirements/production.txt
pin --extra embedded --output-file requirements/embedded.txt
pin --extra embedded --extra dev --extra otel --extra sentry --output-file requirements/dev.txt
pin --extra embedded --extra dev --extra otel --extra sentry --extra bench --output-file requirements/bench.txt
# What the tests have tried.
pin --extra otel --extra sentry --constraint requirements/dev.txt --output-file requirements/telemetry.txt
