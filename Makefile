# The verbs of this project; people, CI and the README use the same ones.

VENV := .venv
PYTHON := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage prove soak bench scorecard screenshots check lint types contracts deployment migrations format sbom clean

help:  ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/installed  ## Make the virtual environment, from pinned and hashed requirements

$(VENV)/installed: requirements/dev.txt
	python3 -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("Python 3.11, 3.12 or 3.13 is required")'
	python3 -m venv $(VENV)
	@echo "Installing into $(VENV), which takes a minute or two"
	@$(PYTHON) requirements/install.py requirements/dev.txt
	@touch $@

demo: setup  ## Run the whole service here, with servers and sample data of its own; PORT=8001
	@$(PYTHON) manage.py demo $(if $(PORT),--port $(PORT))

# Two at a time: half of the tests' time is waiting, and three crowd two cores so that time limits run out here and there.
# The tests of a file stay together, with the servers that they share.
SIDE_BY_SIDE := -n 2 --dist loadfile

test: setup  ## Run the tests against real PostgreSQL and Valkey
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) $(OPTIONS)

coverage: setup  ## Run the tests that need no server process of the service under branch coverage, which has a floor
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) --cov \
		--ignore=tests/system --ignore=tests/faults --ignore=tests/benchmarks --ignore=tests/model --ignore=tests/browser --ignore=tests/deploy

prove: setup  ## Explore the protocol, and check 200,000 reads against the promise while things break; half an hour
	$(PYTHON) -m tests.model --large
	MEMORY_TEST_RUNS=10000 $(PYTHON) -m pytest tests/versioned_cache/test_memory.py
	$(PYTHON) -m tests.faults.history --reads 200000

soak: setup  ## Let everybody work for ten minutes while one fault follows another; OPTIONS="--minutes 30"
	$(PYTHON) -m tests.faults.soak $(OPTIONS)

bench: setup  ## Measure the cached reads beside other caches and the floors, and show the table; OPTIONS="--quick"
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(PYTHON) -m benchmarks $(OPTIONS)

scorecard: setup  ## Play races and faults with our cache and with its peers, and show how stale each gets; 5 minutes
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(PYTHON) -m benchmarks.scorecard

screenshots: setup  ## Take the pictures in docs/images anew, with Chromium; OPTIONS="--all FOLDER" takes every page
	$(PYTHON) -m tests.browser.screenshots $(OPTIONS)

# `make check` is the sum of these; the hooks of .pre-commit-config.yaml call them one by one.
CHECKS := lint types contracts deployment migrations

check: $(CHECKS)  ## Run the linters, the type checker, the architecture contracts and the rules of migrations

lint: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/djade --check $$(git ls-files '*.html')

# These two load the settings; nothing connects to these addresses.
types migrations: export SECRET_KEY = $(shell python3 -c "import secrets; print(secrets.token_urlsafe(50))")
types migrations: export ALLOWED_HOSTS := localhost
types migrations: export DATABASE_URL ?= postgresql:///unused
types migrations: export REDIS_URL ?= redis://localhost

types: setup
	$(VENV)/bin/mypy .

contracts: setup
	$(VENV)/bin/lint-imports

deployment: setup
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(VENV)/bin/hadolint Dockerfile
	$(VENV)/bin/kubernetes-validate --strict --quiet $$(git ls-files 'deploy/kubernetes/*.yaml' ':!*kustomization.yaml')
	@if command -v promtool >/dev/null; then promtool check rules deploy/prometheus/rules/*.yml; \
	else echo "promtool is not installed (apt: prometheus): the rules of deploy/prometheus are not checked"; fi
	@if command -v amtool >/dev/null; then amtool check-config deploy/prometheus/alertmanager.yml; \
	else echo "amtool is not installed (apt: prometheus-alertmanager): alertmanager.yml is not checked"; fi

# The migrations have everything that the models have, and do not disturb the code that still serves.
migrations: export DJANGO_SETTINGS_MODULE := procedures_project.settings
migrations: setup
	$(PYTHON) -m procedures_project.embedded -- $(PYTHON) manage.py makemigrations $(or $(OPTIONS),--check --dry-run)
	$(PYTHON) -m tests.migration_rules

format: setup  ## Format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/djade $$(git ls-files '*.html')

sbom: setup  ## Write sbom.cdx.json: what an installation for production consists of (CycloneDX)
	$(VENV)/bin/cyclonedx-py requirements --output-reproducible --short-PURLs --validate --output-file sbom.cdx.json \
		requirements/production.txt

clean:  ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) .demo
