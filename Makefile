# The two commands that matter: `make up` and `make test`. Both do their own set-up. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh
# Another Python beside the usual one: make … VENV=.venv-3.13 PYTHON=/path/to/python3.13 (docs/adr/0021-python-version.md).
VENV := .venv
RUN := $(VENV)/bin
UV = $(shell command -v uv || echo .tools/bin/uv)
TYPED := -p chassis -p contracts -p templating -p delivery \
	-p api_gateway -p user_service -p template_service -p email_service -p push_service -p console -p devstack -p testkit -p bench -p notifications

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.ready: uv.lock pyproject.toml scripts/bootstrap.sh $(wildcard libs/*/pyproject.toml */pyproject.toml clients/*/pyproject.toml)
	@VENV=$(VENV) PYTHON=$(PYTHON) scripts/bootstrap.sh

.PHONY: up
up: $(VENV)/.ready ## Run the whole system here on embedded parts; Ctrl-C stops it; ARGS='--port-offset 100 --data DIR'
	@$(RUN)/python -m devstack up $(ARGS)

.PHONY: demo
demo: $(VENV)/.ready ## Run it once: send an e-mail and a push, print their timelines, stop
	@$(RUN)/python -m devstack demo $(ARGS)

.PHONY: env
env: ## Write .env for docker-compose and real servers, with fresh random secrets
	@$(or $(PYTHON),python3) scripts/make_env.py

.PHONY: test
test: $(VENV)/.ready ## All tests; with CI=true on real PostgreSQL, Redis and RabbitMQ, skipping nothing
ifeq ($(CI),true)
	@$(RUN)/python -m testkit.servers -- $(RUN)/python -m tests.side_by_side --durations=15 $(ARGS)
else
	@$(RUN)/pytest $(ARGS)
endif

.PHONY: faults
faults: $(VENV)/.ready ## Break the system in every way of the list, on real servers of its own; prints a table of copies
	@FAULTS=yes $(RUN)/pytest -q tests/faults $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.ready ## Load while parts are killed at random, then the proof and a count of copies; ARGS='--seed 7 --seconds 300 --rate 250'
	@$(RUN)/python -m tests.chaos $(ARGS)

.PHONY: soak
soak: $(VENV)/.ready ## Steady load for a while, then whether any process holds more memory; ARGS='--seconds 1200 --rate 100'
	@$(RUN)/python -m tests.soak $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.ready ## Schemathesis on every service's document, on real servers of its own; ARGS='--examples 200 --services user-service'
	@$(RUN)/python -m tests.fuzzing $(ARGS)

.PHONY: bench
bench: $(VENV)/.ready ## The whole system under load, next to its baselines: a table and bench/results/latest.json; ARGS='--quick --cases …'
	@$(RUN)/python -m bench $(ARGS)

.PHONY: locust
locust: $(VENV)/.ready ## Load from outside on the public API; ARGS='--host=http://localhost:8000 --users 100 --spawn-rate 10'
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) run --frozen --group load locust -f locustfile.py $(ARGS)

# The linter of the OpenAPI documents. Only `make check` and the tests of CI need Node.js.
OPENAPI_LINT := tests/openapi/node_modules
$(OPENAPI_LINT)/.ready: tests/openapi/package-lock.json
	@command -v npm >/dev/null || { \
		echo "Node.js 18.18 or newer with npm is missing: it lints the OpenAPI documents (Debian's packages nodejs, npm)" >&2; \
		exit 1; }
	@cd tests/openapi && npm ci --silent && touch node_modules/.ready

# E-mail templates of other projects, for one test.
tests/e2e/real_mails/node_modules/.ready: tests/e2e/real_mails/package-lock.json
	@cd $(<D) && npm ci --silent --omit=optional --ignore-scripts --no-audit && touch node_modules/.ready

.PHONY: check
check: $(VENV)/.ready ## Lint, types, import rules, migrations, OpenAPI, message schemas, a row for every route (needs Node.js)
	@$(RUN)/ruff check --quiet . && $(RUN)/ruff format --check --quiet .
	@$(RUN)/mypy $(TYPED)
	@PYTHONPATH=. $(RUN)/lint-imports --no-cache
	@$(RUN)/python -m contracts.schemas check
	@$(RUN)/python -m devstack.openapi check
	@$(RUN)/python -m devstack.configuration check
	@$(RUN)/python -m tests.access
	@$(RUN)/python -m devstack.migrations
	@$(MAKE) --silent --no-print-directory $(OPENAPI_LINT)/.ready
	@$(OPENAPI_LINT)/.bin/spectral lint --quiet --fail-severity warn --ruleset tests/openapi/.spectral.yaml */openapi.json
	@echo "check: all green"

.PHONY: drill
drill: $(VENV)/.ready ## On a Docker engine: bring docker-compose.yml up from nothing, break it, count, print figures
	@$(RUN)/python -m tests.compose.drill

.PHONY: cluster
cluster: $(VENV)/.ready ## Three nodes of PostgreSQL and RabbitMQ, two or three of each service, in containers, broken and upgraded under load: a table; ARGS='--rate 220 --only redis'
	@$(RUN)/python -m tests.cluster $(ARGS)

.PHONY: format
format: $(VENV)/.ready ## Format the code and repair what lint can repair
	@$(RUN)/ruff check --quiet --fix . ; $(RUN)/ruff format --quiet .

.PHONY: schemas
schemas: $(VENV)/.ready ## Write what is generated and committed anew: OpenAPI, message schemas, docker-compose.prod.yml
	@$(RUN)/python -m contracts.schemas write
	@$(RUN)/python -m devstack.openapi write
	@$(RUN)/python -m devstack.configuration write
	@$(RUN)/python -m tests.deploy.production

.PHONY: clean
clean: ## Remove the environment and the embedded stack's data
	rm -rf .venv .venv-* .tools .data tests/openapi/.venv $(OPENAPI_LINT)
