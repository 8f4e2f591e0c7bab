# Every target makes what it needs first: a clone, `make test` or `make demo`, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
# Arguments for the program a target runs: make demo ARGS=--stay, make unit ARGS='-k breaker'.
ARGS ?=
DEMO_ARGS ?= $(ARGS)

.PHONY: help env servers newer newer-if-possible servers-demo demo test lint format types unit coverage bench campaign campaign-alerts campaign-boards campaign-connections campaign-fleet campaign-kill campaign-cluster campaign-outage campaign-rules mutation generate check-generated clean

help:  ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: .venv/.ready  ## .venv with everything the other targets need

.venv/.ready: pyproject.toml constraints.txt deploy/env.sh
	@deploy/env.sh dev
	@touch $@

.venv/.bench: .venv/.ready
	@deploy/env.sh dev,bench
	@touch $@

.venv/.mutation: .venv/.ready
	@deploy/env.sh dev,mutation
	@touch $@

# Published types that dashboards and resources are checked against (Grafana, prometheus-operator); pyright.
tests/%/node_modules/.ready: tests/%/package-lock.json
	@npm ci --prefix tests/$* --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

servers:  ## The programs that the tests run beside the service, from apt where that is possible
	@deploy/servers.sh test

newer:  ## Newer Prometheus and Alertmanager below .newer/ for the tests of versions, or why there are none
	@deploy/newer.sh

newer-if-possible:
	@deploy/newer.sh test

servers-demo:
	@deploy/servers.sh demo

demo: env servers-demo  ## Watch a service survive the loss of its dependencies (ARGS=--stay keeps it running)
	@PYTHONPATH=deploy $(PY) -m reference.demo $(DEMO_ARGS)

# The unit tests of the core run once, as `make coverage`. With ARGS: one run of what these ask for, not measured.
test: env servers  ## Lint, types and every test: what CI runs
	@$(MAKE) -j2 newer-if-possible tests/schema/node_modules/.ready tests/typing/node_modules/.ready tests/operator/node_modules/.ready
	@$(MAKE) lint
	@$(MAKE) types
	@$(MAKE) check-generated
	$(if $(ARGS),,@$(MAKE) coverage)
	$(PY) -m pytest $(or $(ARGS),--ignore=tests/unit/resilience)

lint: env  ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: env  ## Let ruff mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: env  ## mypy, strict
	$(PY) -m mypy

unit: env  ## The tests that start no server
	$(PY) -m pytest tests/unit tests/properties $(ARGS)

coverage: env  ## Every branch of the core by its unit tests alone: fails below 100 %
	$(PY) -m pytest -q tests/unit/resilience --cov=seawall.resilience --cov-branch \
		--cov-report=term-missing:skip-covered --cov-fail-under=100 $(ARGS)

bench: .venv/.bench  ## This library beside its peers, as ratios of one run
	$(PY) tests/benchmarks/run.py $(ARGS)

campaign: env  ## The property machines at length: 100,000 steps each beside their models
	$(PY) tests/campaigns/properties.py $(ARGS)

campaign-alerts: env servers  ## Outages, restarts, deployments on real servers: which alerts are told, which are not
	$(PY) tests/campaigns/alerts.py $(ARGS)

campaign-connections: env  ## A scrape beside a thousand clients that are silent, slow or guess passwords
	$(PY) tests/campaigns/connections.py $(ARGS)

campaign-boards: env servers-demo  ## What every query of every panel returns of the demo, listed
	@PYTHONPATH=deploy $(PY) -m reference.demo --panels docs/reference/campaigns/boards.md $(ARGS)

campaign-fleet: env servers  ## Every panel on a Prometheus that holds 300 replicas: Overview and Fleet within 1 s
	$(PY) tests/campaigns/fleet.py $(ARGS)

campaign-kill: env  ## 1,000 workers killed under load, all totals compared after each
	$(PY) tests/campaigns/kill.py $(ARGS)

campaign-cluster: env  ## Two Alertmanagers, one killed and started again: every notification arrives
	$(PY) tests/campaigns/cluster.py $(ARGS)

campaign-outage: env  ## What calls and shutdowns pay while the collector is refused, silent, slow or says 503
	$(PY) tests/campaigns/telemetry_outage.py $(ARGS)

campaign-rules: env servers  ## What the rules cost a Prometheus as guards and replicas grow
	$(PY) tests/campaigns/rules.py $(ARGS)

mutation: .venv/.mutation  ## Mutants of the core: what no test would notice (ARGS='backoff --survivors' runs fewer)
	$(PY) tests/campaigns/mutation.py $(ARGS)

generate: env  ## The committed dashboards, rules and configuration of the reference service
	@deploy/generate.sh

check-generated: env  ## That what is committed is what the generator writes now
	@deploy/generate.sh --check

clean:  ## Remove everything that the targets made, .venv included
	rm -rf .venv .newer build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov tests/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
