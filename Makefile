# What a developer does here. `make` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0

python := .venv/bin/python
sam := .venv/tools/sam/bin/sam
local := $(python) -m infra.local
FUNCTION ?= state_api
SEEDS ?= 2000
FIRST ?= 0
EVENT ?= tests/events/$(FUNCTION).json

.PHONY: help install demo up down status test lint format unit integration simulation soak e2e \
	lint-code lint-format lint-types lint-imports lint-template lint-rules bench growth invoke start-api clean

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		awk -F'|' '{ printf "make %-12s %s\n", $$1, $$2 }'

install: ## Make .venv with everything in it; PYTHON chooses the Python
	@infra/local/install.sh

demo: install ## From nothing: local AWS, deploy, agents, one workflow; leaves nothing running
	@OPSCORE_LOCAL_DIR=.local/demo PORT=0 AGENTS=none $(local) run $(python) -m infra.demo

up: install ## The local stack in the background; PORT, AGENTS, AGENTKIT_API_URL, DISPATCH_TRANSPORT
	@$(local) up

down: install ## End the local stack
	@$(local) down

status: install ## What runs of the local stack
	@$(local) status

test: lint unit integration simulation e2e ## Everything: lint, types, unit, integration, simulation, end to end

lint: lint-code lint-format lint-types lint-imports lint-template lint-rules ## What pre-commit checks

lint-code: install
	ruff check .

lint-format: install
	ruff format --check .

lint-types: install
	mypy

lint-imports: install
	lint-imports

lint-template: install
	$(sam) validate --lint --region us-east-1

lint-rules: install
	PYTHONPATH=. cfn-lint --append-rules infra/lint --include-checks I --template template.yaml

format: install ## Format the code
	ruff check --fix .
	ruff format .

unit: install ## Unit tests: no sockets, a few seconds
	$(python) -m pytest -n 2 tests/unit

integration: install ## Integration tests: AWS in process
	$(python) -m pytest -n 2 --dist worksteal tests/contracts tests/integration

simulation: install ## Fleets in virtual time, with all that goes wrong: 240 seeds, and planted bugs
	$(python) -m pytest -n 2 tests/simulation

soak: install ## Thousands of seeds: SEEDS, FIRST, SIZE (tiny crowd small large); SEED repeats one
	@$(python) -m tests.simulation $(if $(SEED),seed $(SEED),soak $(SEEDS) $(FIRST) $(SIZE))

e2e: install ## End-to-end tests on a local stack of their own
	$(python) -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/e2e

bench: install ## Import time of each function as a ratio to boto3's; time to compile 1,000 tasks
	$(python) infra/benchmarks/imports.py
	$(python) infra/benchmarks/compiling.py

growth: install ## Requests and capacity units of a dispatch, at all sizes, into docs/scale.md
	@POWERTOOLS_LOG_LEVEL=ERROR $(python) -m infra.benchmarks.growth

invoke: install ## sam local invoke of FUNCTION with EVENT, against the running local stack
	@$(python) -m infra.local.containers invoke $(FUNCTION) $(EVENT)

start-api: install ## sam local start-api, against the running local stack
	@$(python) -m infra.local.containers start-api

clean: ## Remove the environment, builds and local stacks
	@if [ -x $(python) ]; then $(local) down; fi
	rm -rf .venv .aws-sam .local
