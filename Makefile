# What a person runs is what CI runs. Every target sets up what it needs in a virtual environment of the checkout.
PYTHON ?= python3
VENV ?= .venv
ENDPOINT ?=
PORT ?= 8080
SECONDS ?= 120
WORKERS ?= auto
BIN := $(VENV)/bin
DYNAMODB_LOCAL := .cache/dynamodb-local

.DEFAULT_GOAL := help
.PHONY: help demo serve screenshot test check wheels docs bench bench-engine faults soak explore format clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## Play a day of the service on the embedded engine, or on ENDPOINT=http://…
	$(BIN)/wikibot-store demo $(if $(ENDPOINT),--endpoint-url $(ENDPOINT))

serve: $(VENV)/.demo  ## Run the example web API and its page, http://127.0.0.1:8080, or PORT=…
	$(BIN)/python -m examples.wiki_api --port $(PORT)

screenshot: $(VENV)/.dev  ## Take the README's picture of the example's page again
	$(BIN)/python -m tests.examples.screenshot

test: $(VENV)/.dev $(DYNAMODB_LOCAL)  ## Run all tests, the integration tests on every engine there is
	$(BIN)/pytest -n $(WORKERS) --dist loadscope $(or $(ARGS),--cov --cov-report=term)

check: $(VENV)/.dev  ## Lint, check the format, the types and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

wheels: $(VENV)/.dev  ## Install wheel and sdist on every Python there is, or on PYTHONS="…", and test them there
	$(BIN)/python -m scripts.check_wheels build/wheels $(PYTHONS)

docs: $(VENV)/.docs  ## Build the documentation, build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build
	@echo "Open build/site/index.html; with search: $(BIN)/python -m http.server --directory build/site --bind 127.0.0.1 8081"

bench: $(VENV)/.bench  ## Compare with other libraries against a server of canned answers
	$(BIN)/python -m benchmarks $(ARGS)

bench-engine: $(VENV)/.bench $(DYNAMODB_LOCAL)  ## Compare with other libraries through DynamoDB Local
	$(BIN)/python -m benchmarks --engine $(ARGS)

faults: $(VENV)/.dev $(DYNAMODB_LOCAL)  ## Call every method under every fault, on both engines, and write the table of docs/reliability.md
	$(BIN)/python -m tests.faults.matrix

soak: $(VENV)/.dev $(DYNAMODB_LOCAL)  ## Work for SECONDS=120 through faults, restarts and stalls, and check what is stored
	$(BIN)/python -W error -m tests.faults.soak --seconds $(SECONDS) $(ARGS)

explore: $(VENV)/.dev  ## Explore the orders of concurrent requests for SECONDS=120, or as ARGS says
	$(BIN)/python -m tests.exploration --seconds $(SECONDS) $(ARGS)

format: $(VENV)/.dev  ## Format, and mend what the linter can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## Remove what the targets made
	rm -rf $(VENV) .cache build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli,example]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.demo

$(VENV)/.docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

$(VENV)/.bench: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

# Without npm or Java the tests say that they were skipped; with CI=true they fail.
$(DYNAMODB_LOCAL): scripts/fetch-dynamodb-local
	scripts/fetch-dynamodb-local $@
