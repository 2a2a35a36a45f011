# `make run` and `make test` need Python 3.11 or newer, make and a package registry; the rest is set up here.

PYTHON ?= python3
VENV := .venv
CLIENTS := .venv-clients
LIBRARIES := .venv-libraries
COMPILED := .venv-compiled
JS_CLIENT := tests/e2e/clients/js
BIN := $(VENV)/bin
HOME_FOLDER ?= home

# Python keeps what it compiled, whatever the shell says: a server that compiles itself at its start takes three times as long.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup setup-clients setup-all-clients wheel setup-compiled run demo test test-compiled slow check e2e conformance-full bench simulate docs golden clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## make .venv with everything Opentrail needs

$(VENV)/.ready: pyproject.toml constraints.txt
	@scripts/setup-venv $(PYTHON) $(VENV)
	@touch $@

setup-clients: $(CLIENTS)/.ready ## the AWS CLI in a virtual environment of its own

$(CLIENTS)/.ready: constraints-clients.txt
	@scripts/setup-clients $(PYTHON) cli $(CLIENTS)
	@touch $@

setup-all-clients: setup-clients $(LIBRARIES)/.ready $(JS_CLIENT)/node_modules/.ready ## and s3fs, awswrangler, Ansible, Prowler, Sail, the JavaScript SDK

$(LIBRARIES)/.ready: constraints-libraries.txt
	@scripts/setup-clients $(PYTHON) libraries $(LIBRARIES)
	@touch $@

$(JS_CLIENT)/node_modules/.ready: $(LIBRARIES)/.ready $(JS_CLIENT)/package.json $(JS_CLIENT)/package-lock.json
	@scripts/setup-clients $(PYTHON) js $(LIBRARIES)
	@touch $@

wheel: dist/.ready ## dist/*.whl for this machine, what every call passes through compiled (needs gcc)

dist/.ready: $(VENV)/.ready pyproject.toml scripts/build-wheel $(shell git ls-files src)
	@scripts/build-wheel $(VENV)
	@touch $@

setup-compiled: $(COMPILED)/.ready ## a virtual environment with that wheel

$(COMPILED)/.ready: dist/.ready constraints.txt
	@scripts/setup-venv $(PYTHON) $(COMPILED) "$$(echo dist/*.whl)"
	@touch $@

run: setup ## start Opentrail with embedded defaults and a stand-in upstream
	@$(BIN)/opentrail --home $(HOME_FOLDER) serve --upstream moto

demo: setup setup-clients ## the whole story with real output, in half a minute
	@PATH="$(CURDIR)/$(CLIENTS)/bin:$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m scripts.demo

test: setup setup-clients ## unit and conformance tests, three minutes
	@$(BIN)/pytest -n 2 -m "not e2e and not simulate and not slow" tests

COMPILED_TESTS := $(addprefix tests/unit/,adapters/event_history adapters/journal capture event pattern pipeline protocol record) \
	$(addprefix tests/conformance/,gateway ports/test_event_history.py ports/test_journal.py protocols)

test-compiled: setup-compiled setup-clients ## tests of what the compiled wheel compiles, on that wheel
	@$(COMPILED)/bin/pytest -n 2 -o pythonpath=. -m "not e2e and not simulate and not slow" $(COMPILED_TESTS)

slow: setup setup-clients ## real servers and clients, crashes, PostgreSQL, canaries in every operation, CloudTrail's own records
	@$(BIN)/pytest -n 2 --dist loadgroup -m slow tests

check: setup ## format, lint, strict types, layers, docs in step with the code
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m opentrail.aws.coverage --check docs/coverage.md

e2e: setup setup-all-clients ## the whole process with real clients, restarts and crashes
	@$(BIN)/pytest -n 3 --dist loadfile -m e2e tests

simulate: setup setup-all-clients ## long seeded runs: thousands of fail points and 200 real SIGKILLs (half an hour)
	@OPENTRAIL_SIMULATE=full $(BIN)/pytest -n 2 --timeout 1800 tests/simulation tests/e2e
	@$(BIN)/pytest -n 2 --timeout 1800 -m simulate --ignore tests/simulation tests

bench: setup-compiled setup-clients ## every benchmark of the compiled wheel, both sides in one run (Debian packages: scripts/install-packages bench)
	@for run in codec journal lookup "lookup --events 1000000" "validate_logs --digests 100" proof delivery archive_encryption matching imports "sql --events 1000000" gateway react memory; do \
		echo "== $$run"; $(COMPILED)/bin/python -m bench.$$run || exit 1; done

docs: setup ## write the generated pages again
	@$(BIN)/python -m opentrail.aws.coverage docs/coverage.md
	@$(BIN)/python -m opentrail.lakesql.documentation docs/lake-sql.md
	@$(BIN)/python -m tests.conformance.protocols.ambiguities docs/ambiguities.md
	@$(BIN)/python -m tests.conformance.manipulations.table docs/manipulations.md

clean: ## remove what setup made; a home folder stays
	@rm -rf $(VENV) $(COMPILED) dist $(CLIENTS) $(LIBRARIES) $(JS_CLIENT)/node_modules .mypy_cache .ruff_cache .hypothesis
