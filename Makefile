# CI runs the same targets as a person. Every target installs what it needs into a virtual environment of the checkout.
PYTHON ?= python3
VENV ?= .venv
ENDPOINT ?=
PORT ?= 8080
SECONDS ?= 120
WORKERS ?= auto
BIN := $(VENV)/bin
DYNAMODB_LOCAL := .cache/dynamodb-local
AXE_CORE := .cache/axe-core
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

# The lines of versions that are tested. CONSTRAINTS_newest=/dev/null takes whatever is newest today.
LINES ?= lowest aioboto3 newest
CONSTRAINTS_lowest := constraints-lowest.txt
CONSTRAINTS_aioboto3 := constraints.txt
CONSTRAINTS_newest := constraints-newest.txt
EXTRAS_lowest := cli,example,otel,testing
EXTRAS_aioboto3 := aioboto3,cli,example,otel,testing
EXTRAS_newest := cli,example,otel,testing
LIBRARY_TESTS := tests/unit tests/wire tests/fuzz tests/exploration/test_regressions.py tests/integration
# Before the rest of `test-all`, which counts on from there.
FIRST_COVERAGE := --cov --cov-report= --cov-fail-under=0
SMOKE := tests/integration/test_local.py tests/integration/test_wikis.py tests/cli/test_tables.py tests/test_telemetry.py

.DEFAULT_GOAL := help
.PHONY: help demo serve screenshot test test-all check lines wheels docs bench bench-engine bench-backend bench-scale bench-tail faults soak explore format clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## Simulate a day of traffic on the embedded engine, or on ENDPOINT=http://…
	$(BIN)/wikibot-store demo $(if $(ENDPOINT),--endpoint-url $(ENDPOINT))

serve: $(VENV)/.demo  ## Run the example web API and its page on http://127.0.0.1:8080, or PORT=…
	$(BIN)/python -m examples.wiki_api --port $(PORT)

screenshot: $(VENV)/.dev  ## Take the tutorial's pictures of the example's page again
	$(BIN)/python -m tests.examples.screenshot

test: $(VENV)/.dev $(DYNAMODB_LOCAL) $(AXE_CORE)  ## Run the tests of the library on every available engine, or what ARGS selects of all tests
	$(BIN)/pytest -n $(WORKERS) --dist loadscope $(if $(filter test-all,$(MAKECMDGOALS)),$(FIRST_COVERAGE)) $(or $(ARGS),$(LIBRARY_TESTS))

test-all: test  ## Run all tests with branch coverage: crashes, faults, soak, browser, docs and packages too
	$(BIN)/pytest -n $(WORKERS) --dist loadscope --cov --cov-append --cov-report=term $(LIBRARY_TESTS:%=--ignore=%)

check: $(VENV)/.dev  ## Check lint, format, types, layers, spelling and plain words
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m scripts.check_prose

lines: $(LINES:%=line-%)  ## Test with the lowest, aioboto3's and the newest versions, or with LINES="…"

line-%: $(VENV)-%/.ready
	$(VENV)-$*/bin/pip list --disable-pip-version-check | grep -E '^(aioboto3|aiobotocore|aiohttp|botocore) '
	$(VENV)-$*/bin/pytest -q -n auto tests/unit tests/wire $(SMOKE)

wheels: $(VENV)/.dev  ## Install wheel and sdist on every installed Python, or on PYTHONS="…", and test them
	$(BIN)/python -m scripts.check_wheels build/wheels $(PYTHONS)

docs: $(VENV)/.docs  ## Build the documentation into build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build
	@echo "Open build/site/index.html; with search: $(BIN)/python -m http.server --directory build/site --bind 127.0.0.1 8081"

bench: $(VENV)/.bench  ## Compare with other libraries against a server of canned answers
	$(BIN)/python -m benchmarks $(ARGS)

bench-engine: $(VENV)/.bench $(DYNAMODB_LOCAL)  ## Compare with other libraries through DynamoDB Local
	$(BIN)/python -m benchmarks engine $(ARGS)

bench-backend: $(VENV)/.bench  ## Compare the requests per second of a web backend on each library, with wrk
	$(BIN)/python -m benchmarks backend $(ARGS)

bench-scale: $(VENV)/.bench  ## Compare 1 to 2,000 reads in flight, 1 to 1,000,000 items, and the memory
	$(BIN)/python -m benchmarks scale $(ARGS)

bench-tail: $(VENV)/.bench  ## Measure the latency of reads, hedged and unhedged, against a server with slow answers
	$(BIN)/python -m benchmarks.tail $(ARGS)

faults: $(VENV)/.dev $(DYNAMODB_LOCAL)  ## Call every method under every fault, on both engines, and write the table of docs/reliability.md
	$(BIN)/python -m tests.faults.matrix $(ARGS)

soak: $(VENV)/.dev $(DYNAMODB_LOCAL)  ## Use the whole API for SECONDS=120 through faults, restarts and stalls, and check what is stored
	$(BIN)/python -W error -m tests.faults.soak --seconds $(SECONDS) $(ARGS)

explore: $(VENV)/.dev  ## Explore the orders of concurrent requests for SECONDS=120, or as ARGS says
	$(BIN)/python -m tests.exploration --seconds $(SECONDS) $(ARGS)

format: $(VENV)/.dev  ## Format, and fix what the linter can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## Remove everything that the targets created
	rm -rf $(VENV) $(VENV)-* .cache build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check 'pip>=25.1' # which knows dependency groups

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[aioboto3,cli,example]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[aioboto3,cli,example,infra,otel,testing]' --group dev
	touch $@ $(VENV)/.demo

$(VENV)/.docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e . --group docs
	touch $@

$(VENV)/.bench: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[aioboto3,local,otel]' --group bench
	touch $@

# Kept for the next time.
.PRECIOUS: $(VENV)-%/.ready
$(VENV)-%/.ready: pyproject.toml constraints.txt constraints-lowest.txt constraints-newest.txt
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(VENV)-$*/bin/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS_$*) -e '.[$(EXTRAS_$*)]' --group lines
	touch $@

# Without npm or Java the tests are reported as skipped; with CI=true they fail.
$(DYNAMODB_LOCAL): scripts/fetch-dynamodb-local
	scripts/fetch-dynamodb-local $@

$(AXE_CORE): scripts/fetch-axe-core
	scripts/fetch-axe-core $@
