# One command for each thing that a person does with a relationship. `make help` lists them.
# A stack whose file has `endpoint` (dev, the default) runs against an embedded AWS on this machine; any other stack
# runs with your own Pulumi and your own AWS credentials, as plain `pulumi` does.

# In the recipes it is a variable of the shell, so that whatever stands in it stays one word; `python -m local` judges it.
STACK ?= dev
override STACK := $(value STACK)
export STACK
# Of a fleet: which command, on which stacks.
COMMAND ?= preview
STACKS ?= *
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON := .venv/bin/python
# What a command on a stack runs in: for one with an endpoint, the environment of the embedded AWS, with its parts made
# ready; for any other the user's own, after it was said what is missing in it.
RUN = settings="$$($(PYTHON) -m local env --stack="$$STACK"$(1))"; eval "$$settings";
# The same for Pulumi's `up` and `destroy`: it sets `flags`, with which they ask about real accounts alone.
RUN_ASKING = $(call RUN, --flags=$(1) $(if $(YES),--yes) -- $(ARGS))
# The last proof is kept for the diagram.
VERIFY = $(PYTHON) -m tools verify --stack="$$STACK" --save ".local/proof-$$STACK.json"
# It ends with 0 where it mended something, so that what failed before it is worth another try.
MEND = $(PYTHON) -c 'import sys; from tools.recovery import recover; sys.exit(0 if recover(sys.argv[1], yes=bool(sys.argv[2])) else 2)' "$$STACK" "$(YES)"
# The engine destroys without the program, so it signs in as the state's providers recorded. With the program it cannot
# always be: then a faulty configuration would stop it, and the engine (3.259) deletes a replaced user beside its key.
SIGN_IN_HINT := "If the profile, assumeRoleArn or endpoint of the stack changed since its last up: make destroy ARGS=--run-program"

.PHONY: help
help: ## list the commands
	@echo "make COMMAND [STACK=name]   (stack: $$STACK)"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

# uv installs the packages, in a tenth of pip's time; pip installs uv, whose version and hashes stand in the same list.
PIP_INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement
UV_INSTALL := .venv/bin/uv pip install --python $(PYTHON) --require-hashes --requirement
# uv leaves byte code out, and where nobody may write it, each command would compile what it loads. So it is made here: of
# the AWS package, most of which is never loaded, of what the program loads.
BYTE_CODE := env -u PYTHONDONTWRITEBYTECODE $(PYTHON)

# The stamp is written last, so that an interrupted installation is done again.
.venv/installed: requirements-tools.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: this needs Python 3.11 or newer, and python3 is $$(python3 --version 2>&1). Install it: https://www.python.org/downloads" >&2; exit 1; }
	@echo "Installing the Python packages into .venv (half a minute, once) ..." >&2
	@test -x $(PYTHON) && $(PYTHON) -c '' 2>/dev/null || python3 -m venv --clear .venv >&2
	@sed -n '/^uv==/,/[^\]$$/p' $< >.venv/uv.txt
	@{ $(PIP_INSTALL) .venv/uv.txt && $(UV_INSTALL) $<; } >&2 \
		|| { echo "uv could not install them (see above). Trying pip, which takes half a minute and shows nothing meanwhile ..." >&2; \
			$(PIP_INSTALL) $< >&2; } \
		|| { echo "error: the packages of $< could not be installed (see above). Check the way to PyPI, then try again." >&2; exit 1; }
	@$(BYTE_CODE) -m compileall -q -j 0 -x '/pulumi_aws/' .venv/lib >/dev/null 2>&1 || true
	@$(BYTE_CODE) -c 'import components.relationship' 2>/dev/null || true
	@touch $@

# What only tests and linters need: twice as large as all the rest.
.venv/developer: requirements-dev.txt .venv/installed
	@$(UV_INSTALL) $< >&2
	@touch $@

.PHONY: up
up: .venv/installed ## deploy: set everything up, create or change the relationship, prove it, print its outputs
	@$(call RUN_ASKING,up) trap 'exit 130' INT; \
		deploy() { pulumi up --stack "$$STACK" $$flags --suppress-outputs $(ARGS); }; \
		deploy_mended() { $(MEND) && deploy; }; \
		deploy || { status=$$?; deploy_mended || exit $$status; }; \
		if pulumi stack export --stack "$$STACK" | grep '"pending_operations"' >/dev/null; then deploy_mended || true; fi; \
		status=0; $(VERIFY) || status=$$?; \
		if test $$status -eq 1 && deploy_mended; then status=0; $(VERIFY) || status=$$?; fi; \
		pulumi stack output --stack "$$STACK"; \
		test $$status -ne 2 || exit 0; exit $$status # 2: it stands, but its proof needs a PGP key's owner or MFA

.PHONY: preview
preview: .venv/installed ## show what `make up` would change, all policy documents included
	@$(RUN) pulumi preview --stack="$$STACK" --diff $(ARGS)

.PHONY: outputs
outputs: .venv/installed ## print the stack's outputs (JSON=1 for JSON), secrets hidden
	@$(RUN) pulumi stack output --stack="$$STACK" $(if $(JSON),--json) $(ARGS)

.PHONY: verify
verify: .venv/installed ## prove that the right one gets in and the wrong one does not (ARGS="--write --json ...")
	@$(RUN) $(VERIFY) $(ARGS)

.PHONY: profile
profile: .venv/installed ## write the stack's two AWS profiles to your AWS config file
	@$(RUN) $(PYTHON) -m tools profile --stack="$$STACK" $(ARGS)

.PHONY: adopt
adopt: .venv/installed ## take over a relationship that was made by hand, under the configured names
	@$(RUN) $(PYTHON) -m tools adopt --stack="$$STACK" $(if $(YES),--yes) $(ARGS)

.PHONY: mend
mend: ## gone: make up recovers by itself
	@echo "error: \`make mend\` is gone. After a failed or killed run: make up. To take over what was made by hand: make adopt" >&2; exit 2

.PHONY: diagram
diagram: .venv/installed ## draw the deployed relationship as a Mermaid flowchart (OUTPUT=FILE)
	@$(RUN) $(PYTHON) -m tools diagram --stack="$$STACK" $(if $(OUTPUT),--output $(OUTPUT)) $(ARGS)

.PHONY: rotate
rotate: .venv/installed ## replace the access key without a gap, a step at a time
	@$(RUN) $(PYTHON) -m tools rotate --stack="$$STACK" $(if $(YES),--yes) $(ARGS)

.PHONY: revoke
revoke: .venv/installed ## in an emergency: stop every key and every session at once
	@$(RUN) $(PYTHON) -m tools revoke --stack="$$STACK" $(if $(YES),--yes) $(ARGS)

.PHONY: fleet
fleet: .venv/installed ## run COMMAND (preview) on all stacks that match STACKS="customer-*", JOBS at once
	@$(PYTHON) -m tools fleet $(COMMAND) --stacks='$(STACKS)' $(if $(JOBS),--jobs=$(JOBS)) $(if $(YES),--yes) --args='$(ARGS)'

.PHONY: destroy
destroy: .venv/installed ## delete everything that the stack created, in both accounts
	@$(call RUN_ASKING,destroy) pulumi destroy --stack "$$STACK" $$flags $(ARGS) \
		|| { status=$$?; echo $(SIGN_IN_HINT) >&2; exit $$status; }

.PHONY: down
down: .venv/installed ## stop the embedded AWS; its state is kept
	@$(PYTHON) -m local down

.PHONY: shell
shell: .venv/installed ## start a shell where plain `pulumi` works on the stack
	@$(RUN) pulumi stack select "$$STACK" --non-interactive >&2; \
		echo "Plain \`pulumi\` works on stack $$STACK here. Leave with: exit" >&2; "$${SHELL:-/bin/sh}"

.PHONY: env
env: .venv/installed ## print the same environment for a shell: eval "$(make -s env)"
	@$(RUN) pulumi stack select "$$STACK" --non-interactive >&2; test -z "$$settings" || echo "$$settings"

.PHONY: test
test: .venv/developer ## run all tests, on this machine only (ARGS="-k name"; PLUGIN=official: with that AWS plugin)
	@$(PYTHON) -m local setup
	@$(PYTHON) -m pytest --numprocesses auto --dist worksteal $(ARGS)

.PHONY: trust
trust: .venv/developer ## ask two judges who gets in, 1,000 times by chance
	@$(PYTHON) -m pytest -q tests/trust/thousand.py

.PHONY: fuzz
fuzz: .venv/developer ## try settings, policies, files and whole lives by chance (FUZZ=examples of each, or steps)
	@$(PYTHON) -m local setup
	@FUZZ=$(or $(FUZZ),2000) $(PYTHON) -m pytest -q --timeout 0 tests/fuzz tests/scenarios $(ARGS)

.PHONY: faults
faults: .venv/developer ## fail AWS at every call, fill the disk, kill: does one more run heal it? (ARGS="--call CreateRole")
	@$(PYTHON) -m local setup
	@$(PYTHON) -m pytest -q tests/faults/matrix.py tests/faults/kills.py tests/faults/troubles.py $(ARGS)

.PHONY: lock
lock: .venv/installed ## write requirements*.txt anew from requirements*.in: what they need in turn, and the hashes of all
	@lock() { .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--custom-compile-command "make lock" $(ARGS) "$$@"; }; \
		lock requirements-dev.in --output-file requirements-dev.txt; \
		lock requirements-tools.in --constraint requirements-dev.txt --output-file requirements-tools.txt; \
		lock requirements.in --constraint requirements-dev.txt --output-file requirements.txt; \
		lock local/cli_module/requirements.in --output-file local/cli_module/requirements.txt

.PHONY: lint
lint: .venv/developer ## check style, types and workflows
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@.venv/bin/basedpyright
	@$(PYTHON) -m pytest -q tests/test_workflows.py

.PHONY: bench
bench: .venv/developer ## time every command beside an empty program and Terraform, and draw it (FLEET=100: many stacks)
	@$(PYTHON) -m local setup
	@FLEET='$(FLEET)' ROUNDS='$(ROUNDS)' OUTPUT='$(OUTPUT)' TF_PLUGINS='$(TF_PLUGINS)' \
		$(PYTHON) -m pytest -q $(if $(FLEET),tests/bench_fleet.py,tests/bench.py)
