# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
ARGS ?=
export LAB_DIR ?= $(CURDIR)/.lab

venv := $(CURDIR)/.venv
stamp := $(venv)/.installed-$(shell sha256sum requirements-dev.txt | cut -c1-16)
# The collection is found through a link, and without a folder of that name above the checkout.
collection := .build/ansible_collections/llmops/langfuse
in_venv := PATH="$(venv)/bin:$$PATH"
lab := $(in_venv) PYTHONPATH=tests/lab $(venv)/bin/python -m langfuse_lab
in_lab := source "$(LAB_DIR)/env" && PATH="$(venv)/bin:$$PATH"

.PHONY: help
help: ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="-e platform_size=medium" goes to ansible-playbook (demo, site, teardown); LAB_DIR and LAB_PORT_BASE choose a lab.'

.PHONY: demo
demo: lab-up site ## Start the lab, run the whole site on it, show what stands
	@$(lab) show

.PHONY: site
site: setup ## Run playbooks/site.yml on the lab
	@$(in_lab) ansible-playbook -i inventories/local playbooks/site.yml $(ARGS)

.PHONY: teardown
teardown: setup ## Run playbooks/teardown.yml on the lab
	@$(in_lab) ansible-playbook -i inventories/local playbooks/teardown.yml -e teardown_confirm=langfuse $(ARGS)

.PHONY: lab-up
lab-up: setup ## Start the lab (does nothing when it is up)
	@$(lab) up

.PHONY: lab-down
lab-down: setup ## Stop the lab and forget what it holds (LAB_KEEP=1 keeps Kubernetes and ClickHouse)
	@$(lab) down

.PHONY: test
test: setup ## Everything that CI runs: lint, unit, sanity, and the site on a lab of its own
	@$(in_venv) tests/run_all.sh

.PHONY: nightly
nightly: test ## make test; a cluster's changes; sanity, units and site with Ansible's newer line, Python 3.13 and Helm 4; the site with the oldest versions; 1,000 relief cases for each ClickHouse
	@$(in_venv) tests/run_site.sh cluster
	@$(in_venv) tests/run_sanity.sh 3.13
	@$(in_venv) tests/run_newer.sh
	@$(in_venv) tests/run_oldest.sh
	@$(in_venv) RELIEF_CASES=1000 PYTHONPATH=tests/lab:tests/lab/tests:$(CURDIR)/.build pytest -n 2 tests/engine/test_disk_relief_property.py

.PHONY: faults
faults: setup ## Bad days of AWS, servers that die, SIGKILL at KILLS (50) random moments, two runs at once
	@$(in_venv) tests/run_site.sh faults

.PHONY: lint
lint: setup ## ansible-lint (production), yamllint, ruff, shellcheck, changelog
	@$(in_venv) tests/run_lint.sh

.PHONY: unit
unit: setup ## Unit tests: plugins, templates, lab, repository, and the modules for ClickHouse on its engines
	@$(in_venv) tests/run_unit.sh

.PHONY: molecule
molecule: setup ## One molecule scenario for each role, on a lab of their own
	@$(in_venv) tests/run_molecule.sh

.PHONY: bench
bench: setup ## Benchmarks, each with its goal; the report with a picture goes to tests/output/bench
	@$(in_venv) python tests/bench/report.py

.PHONY: sanity
sanity: setup ## ansible-test sanity and units on the built collection, Galaxy's importer, and the documentation
	@$(in_venv) tests/run_sanity.sh
	@$(in_venv) tests/run_importer.sh
	@$(in_venv) tests/run_docs.sh

.PHONY: clean
clean: ## Stop the lab and remove everything that was built in this checkout
	@if [ -x "$(venv)/bin/python" ] && [ -d "$(LAB_DIR)" ]; then $(lab) down; fi
	@rm -rf .build .ansible .pytest_cache .ruff_cache tests/output tests/site/log "$(LAB_DIR)" "$(venv)"

.PHONY: setup
setup: $(stamp) $(collection)

$(collection):
	@mkdir -p $(dir $@)
	@ln -sfn "$(CURDIR)" $@

$(stamp): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1 || true): Python 3.11 or newer is needed. Name one with PYTHON=python3.12." >&2; exit 1; }
	@echo "Installing Python packages into .venv (usually 1 to 2 minutes)"
	@rm -rf "$(venv)" && $(PYTHON) -m venv "$(venv)"
	@"$(venv)/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement requirements-dev.txt
	@touch $@
