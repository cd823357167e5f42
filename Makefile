# One-line aliases of `python -m tools COMMAND --stack NAME`, after .venv is made. `make help` lists them.
PROBE = $(error)
ifneq ($(value PROBE),$$(error))
$(error This needs GNU Make 3.81 or newer: an older one does not pass variables on unchanged)
endif
override SHELL := /bin/sh
override .SHELLFLAGS := -c

# Neither make nor a shell evaluates these: they reach Python through the environment, whatever is in them.
VARIABLES := STACK ARGS YES JSON OUTPUT COMMAND STACKS JOBS FLEET FUZZ ROUNDS TF_PLUGINS PLUGIN LIVE_TRUSTING LIVE_TRUSTED LIVE_CONFIRM
DEFINED := $(foreach name,$(VARIABLES),$(if $(filter undefined,$(origin $(name))),,$(name)))
$(foreach name,$(DEFINED),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

PYTHON := python3
ANEW := $(if $(filter command,$(firstword $(origin PYTHON))),anew)
RUN := .venv/bin/python -E -m
TOOLS := up preview outputs destroy verify profile diagram handover rotate revoke adopt fleet shell env down
TESTS := test fuzz faults bench live
.PHONY: help anew mend lint lock $(TOOLS) $(TESTS)
.DEFAULT_GOAL := help
##@ Deploy (STACK=name; without it dev, whose accounts are emulated)
up: ## deploy, prove, print the outputs (YES=1: ask nothing)
preview: ## show what `make up` would change, policy documents included
outputs: ## print the stack's outputs, secrets hidden (JSON=1 for JSON)
destroy: ## delete everything that the stack created, in both accounts
##@ Use
verify: ## prove who gets in and who does not (ARGS="--write --json ...")
profile: ## write the stack's two AWS profiles to your AWS config file
diagram: ## draw the relationship as a Mermaid flowchart (OUTPUT=FILE)
handover: ## print the other party's stack file, where it makes a half
##@ Keep
rotate: ## replace the access key without a gap, a step at a time
revoke: ## in an emergency: stop every key and every session at once
adopt: ## take over a relationship that was made by hand
fleet: ## run COMMAND (preview) on all STACKS="customer-*", JOBS at once
##@ Work with plain Pulumi
shell: ## start a shell where plain `pulumi` works on the stack
env: ## print that environment for your shell: eval "$(make -s env)"
down: ## stop the emulator; its state is kept
##@ Develop (PYTHON=python3.13 makes .venv anew, with that one)
test: ## run all tests, on this machine only (ARGS="-k name")
fuzz: ## try seeded random settings, policies and scenarios (FUZZ=2000)
faults: ## fail AWS at each call, fill the disk, kill: does `up` recover?
bench: ## time every command beside others (FLEET=100: many stacks)
live: ## try everything on two sandbox accounts of real AWS (LIVE_...)
lint: ## check style, types and workflows
lock: ## write requirements*.txt from requirements*.in (ARGS=--upgrade)
help: ## list the commands
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.venv/installed: requirements-tools.txt $(ANEW)
	@$(PYTHON) -I local/install.py requirements-tools.txt $@ $(ANEW)
.venv/developer: requirements-dev.txt $(ANEW) | .venv/installed
	@$(PYTHON) -I local/install.py requirements-dev.txt $@ $(ANEW)
$(TOOLS): .venv/installed
	@$(RUN) tools.make $@
mend: ; $(error `make mend` is gone: run `make up`, which recovers by itself, or `make adopt` for what was made by hand)

PYTEST_test := --numprocesses auto --dist worksteal
PYTEST_fuzz := -q --timeout 0 tests/fuzz tests/scenarios
PYTEST_faults := -q -m faults tests/faults
PYTEST_live := -q -s -m live tests/live
PYTEST_bench := -q -p tests.conftest $(if $(FLEET),bench/fleet.py,bench/bench.py)
fuzz: override FUZZ := $(or $(FUZZ),2000)
$(TESTS): export PYTEST_ADDOPTS := $(value ARGS)
$(TESTS): export PYTHONDONTWRITEBYTECODE :=
$(TESTS): .venv/developer
	@$(RUN) local.cli
	@$(RUN) pytest $(PYTEST_$@)
lint: .venv/developer
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/basedpyright
	@$(RUN) pytest -q tests/test_workflows.py
LOCK := .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"
lock: .venv/developer
	@$(LOCK) $(filter --upgrade,$(ARGS)) requirements-dev.in -o requirements-dev.txt
	@$(LOCK) $(filter --upgrade,$(ARGS)) requirements-tools.in -c requirements-dev.txt -o requirements-tools.txt
	@$(LOCK) $(filter --upgrade,$(ARGS)) requirements.in -c requirements-dev.txt -o requirements.txt
	@$(LOCK) $(filter --upgrade,$(ARGS)) local/cli_module/requirements.in -o local/cli_module/requirements.txt
