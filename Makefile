# Thin: each target is one command. On a bare machine with Python 3.11 and make, the first one installs what it needs.
.DEFAULT_GOAL := help
.PHONY: help setup demo pipeline up down test check lock bench build deploy train invoke clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= $(CURDIR)/.zeroloop/uv/bin/uv
UV_VERSION := 0.13.9
ENV ?= staging
PROJECT ?= examples/sentiment
MODEL ?= sentiment
DATA ?=
F ?= predict
E ?= text
run := $(UV) run --frozen --no-sync
sam := .zeroloop/env/sam/bin/sam
# Without telemetry and the metadata service, each of which it waits for in vain; validation needs no account.
sam_env := SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none
train := UV_PROJECT_ENVIRONMENT=.zeroloop/env/train PYTHONPATH=shared $(UV) run --frozen --only-group train
export UV

help: ## Show this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1	\2/' | expand -t 16

setup: .venv/.synced ## Install uv for this project, and the project's environment

demo: setup ## Deploy locally, then register, admit, promote and predict
	$(run) zeroloop demo

pipeline: setup ## From raw data to a promoted version, on two local stacks; MODEL=... PROJECT=... DATA=... for others
	$(run) zeroloop local up --home .zeroloop/staging
	$(run) zeroloop local up --home .zeroloop/production
	$(run) zeroloop gate set $(MODEL) $(PROJECT)/gates.toml --reason "gates.toml of this commit" --env staging
	$(run) zeroloop gate set $(MODEL) $(PROJECT)/gates.toml --reason "gates.toml of this commit" --env production
	$(run) zeroloop data validate $(PROJECT) $(if $(DATA),--data $(DATA)) --env staging
	$(run) zeroloop train $(PROJECT) $(if $(DATA),--data $(DATA))
	$(run) zeroloop evaluate $(PROJECT) $(if $(DATA),--data $(DATA)) --against staging --against production
	$(run) zeroloop gate check $(PROJECT)
	$(run) zeroloop register $(PROJECT) --env staging
	$(run) zeroloop deploy $(PROJECT) --env staging
	$(run) zeroloop ab check --model $(MODEL) --registered .zeroloop/pipeline/$(MODEL)/registered-staging.json --env staging
	$(run) zeroloop promote $(PROJECT) --env production

up: setup ## Start the local stack, or bring it up to date
	$(run) zeroloop local up

down: setup ## Stop the local stack, and those of the pipeline; their data stays
	$(run) zeroloop local down
	$(run) zeroloop local down --home .zeroloop/staging
	$(run) zeroloop local down --home .zeroloop/production

test: setup ## Every test, those of the deployed local stack included
	$(run) pytest

check: lock ## Lint, format, types, imports, template, workflows, lock
	$(run) ruff check
	$(run) ruff format --check
	$(run) mypy
	$(run) lint-imports
	$(run) cfn-lint template.yaml
	UV_PROJECT_ENVIRONMENT=.zeroloop/env/sam $(UV) sync --frozen --quiet --only-group sam --no-install-project
	$(sam_env) $(sam) validate --lint
	$(run) check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	if command -v actionlint > /dev/null; then actionlint; fi

lock: setup
	$(UV) lock --check --quiet

bench: setup ## Predict and the tracker beside the least and other servers; time nothing else meanwhile
	UV_PROJECT_ENVIRONMENT=.zeroloop/env/bench $(UV) sync --frozen --quiet --no-default-groups --group bench
	.zeroloop/env/bench/bin/python -m bench

build: setup ## Build for AWS; ZEROLOOP_BUILD=x86_64 for the other processor
	UV_PROJECT_ENVIRONMENT=.zeroloop/env/sam $(UV) sync --frozen --quiet --only-group sam --no-install-project
	PYTHON=$(CURDIR)/.venv/bin/python SAM_CLI_TELEMETRY=0 $(sam) build

deploy: build ## Deploy to AWS; ENV=production for the other environment
	SAM_CLI_TELEMETRY=0 $(sam) deploy --config-env $(ENV) $(FLAGS)

train: setup ## Train the examples again
	$(train) python -m examples.sentiment.train
	$(train) python -m examples.tabular.train

invoke: setup ## Run events/F/E.json on the local stack: make invoke F=registry E=list_models
	$(run) zeroloop local invoke $(F) $(E)

clean: ## Stop the local stack and leave a fresh clone
	-test ! -x .venv/bin/zeroloop || .venv/bin/zeroloop local down
	rm -rf .venv .zeroloop .aws-sam .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --quiet --python $(PYTHON) || \
	  { echo "the environment could not be installed: check network and proxy, then try again." >&2; exit 1; }
	@touch $@

$(UV):
	$(PYTHON) -m venv .zeroloop/uv
	.zeroloop/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || \
	  { echo "uv could not be installed: is the package index reachable? Check network and proxy, then try again." >&2; exit 1; }
