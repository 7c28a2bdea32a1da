#!/bin/sh
# Pins every dependency of pyproject.toml with hashes, one file an installation.
set -eu
cd "$(dirname "$0")/.."
pin() { uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml "$@"; }
pin --output-file requirements/production.txt
pin --extra embedded --output-file requirements/embedded.txt
pin --extra embedded --extra dev --output-file requirements/dev.txt
pin --extra embedded --extra dev --extra bench --output-file requirements/bench.txt
