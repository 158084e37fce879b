# Prepares what plain Pulumi needs, and calls it. `make help` lists the targets.
STACK ?= oslo-test
PYTHON := .nordgate/venv/bin/python
PYTEST := $(PYTHON) -m pytest

export PATH := $(CURDIR)/.nordgate/venv/bin:$(CURDIR)/.nordgate/bin:$(PATH):/usr/sbin:/sbin
export PULUMI_SKIP_UPDATE_CHECK := true
export BASE
# The tests start hundreds of processes: what each of them imports is compiled once.
unexport PYTHONDONTWRITEBYTECODE

# Test stacks keep their state, plugins and passphrase in this checkout; all others use your own login and secrets.
ifneq ($(filter %-test,$(STACK)),)
export PULUMI_HOME := $(CURDIR)/.nordgate/pulumi
export PULUMI_BACKEND_URL := file://$(CURDIR)/.nordgate/state
export PULUMI_CONFIG_PASSPHRASE := nordgate-test
LAB := $(STACK:-test=)
YES := --yes
PREPARE := lab-up supplies state
endif
PREPARE := check $(PREPARE)
UP = pulumi up --stack $(STACK) $(YES) $(if $(YES),--skip-preview) || $(PYTHON) -m nordgate.cli failed $(STACK)

.DEFAULT_GOAL := help
# What a target needs is made in the order in which it stands there, with `make -j` too.
.NOTPARALLEL:
.PHONY: help up rebuild preview destroy check drift preflight render diff new-region verify smoke stop start ssh console lab-up lab-down image supplies tools python named state report stacks comment fold lint docs test test-fast test-all

help: ## List the targets
	@python3 -c 'import nordgate; print("nordgate " + nordgate.__version__ + "\n")'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "  STACK= chooses the stack; it is $(STACK)"

up: $(PREPARE) ## Bring STACK up and prove it: prepare, `pulumi up`, smoke check
	$(UP)
	@$(PYTHON) -m nordgate.cli summary $(STACK)

rebuild: $(PREPARE) ## Make a gateway of STACK anew, as it is declared; its data stays (GATEWAY=gw1)
	NORDGATE_REBUILD=$(or $(GATEWAY),gw1) $(UP)

preview: $(PREPARE) ## Show what `up` would change
	pulumi preview --stack $(STACK) --diff

destroy: ALONE := --alone
destroy: check $(if $(LAB),lab-up state) ## Delete everything that STACK has made
	@$(PYTHON) -m nordgate.cli reach $(STACK)
	pulumi destroy --stack $(STACK) $(YES) $(if $(YES),--skip-preview)

verify: named tools ## Compare the running guests of STACK with what was declared
	@$(PYTHON) -m nordgate.cli verify $(STACK)

smoke: named tools ## Run the smoke check of STACK now
	@$(PYTHON) -m nordgate.cli smoke $(STACK)

ssh: named tools ## Log in to a gateway of STACK (GATEWAY=gw1)
	@$(PYTHON) -m nordgate.cli ssh $(STACK) $(GATEWAY)

stop: named tools ## Shut down a gateway of STACK, cleanly (GATEWAY=gw1)
	@$(PYTHON) -m nordgate.cli stop $(STACK) $(GATEWAY)

start: named tools ## Start a gateway of STACK and wait until it is ready (GATEWAY=gw1)
	@$(PYTHON) -m nordgate.cli start $(STACK) $(GATEWAY)

console: named tools ## Watch the serial console of a gateway of STACK (GATEWAY=gw1); Ctrl-] leaves
	@$(PYTHON) -m nordgate.cli console $(STACK) $(GATEWAY)

check: named tools ## Check the stack file of STACK, and name every mistake in it
	@$(PYTHON) -m nordgate.cli check "$(STACK)" $(GATEWAY)

drift: check ## Fail when STACK is not what was declared: on its hosts, or inside its running guests
	pulumi refresh --stack $(STACK) --preview-only --expect-no-changes --diff --non-interactive
	@$(PYTHON) -m nordgate.cli verify $(STACK)

render: named python ## Write all that STACK puts on its machines to .nordgate/rendered (no hypervisor, no secret)
	@$(PYTHON) -m nordgate.cli render "$(STACK)"

diff: python ## Show what of that this checkout changes, for every stack (BASE=main); Markdown: .nordgate/diff.md
	@$(PYTHON) -m nordgate.cli diff "$${BASE:-main}"

new-region: python ## Write the files of region NAME and of its two stacks (LIKE=oslo: after which model)
	@$(PYTHON) -m nordgate.cli new-region "$(NAME)" --like $(or $(LIKE),oslo)

preflight: check $(if $(LAB),lab-up supplies) ## Ask this machine and the hosts of STACK whether they can do what it wants
	@$(PYTHON) -m nordgate.cli preflight $(STACK)

lab-up: check ## Start the throw-away hypervisor of a test stack
	@$(PYTHON) -m lab up "$(LAB)" $(ALONE)

lab-down: tools ## End the throw-away hypervisor and delete all of it (FORCE=1: even with guests)
	@$(PYTHON) -m lab down "$(LAB)" $(if $(FORCE),--force)

image: tools ## Bake an image (RECIPE=debian-13; REFRESH=1: with today's packages)
	@$(PYTHON) -m image bake $(if $(RECIPE),--recipe $(RECIPE)) $(if $(REFRESH),--refresh)

supplies: named tools
	@$(PYTHON) -m lab.prerequisites $(STACK)

report: named python ## Print the smoke reports of STACK as Markdown
	@$(PYTHON) -m nordgate.cli report $(STACK)

# For the workflows: the production stacks as JSON; the comment of a pull request; a fold for a job summary.
stacks:
	@python3 -m nordgate.settings.stack_files

comment:
	@python3 -m nordgate.cli.github comment "$(PULL_REQUEST)" .nordgate/diff.md --preview "$(PREVIEW)"

fold:
	@python3 -m nordgate.cli.github fold "$(TITLE)" "$(FILE)"

# A name that is wrong is told before anything is built.
named:
	@python3 -m nordgate.settings.stack_files "$(STACK)"

python:
	@python3 -m toolchain python

tools: ## Install or build what is missing: packages, Python environment, Pulumi and its plugins
	@python3 -m toolchain

state: named tools
	@$(PYTHON) -m nordgate.cli state $(STACK)

lint: python ## Check style, types and workflows
	@python3 -m toolchain linters
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy .
	.nordgate/bin/actionlint -shellcheck= -pyflakes=
	.nordgate/venv/bin/zizmor --offline --quiet --pedantic .github

docs: ## Build the guides and the API reference as a site, .nordgate/site; a warning or a dead link fails
	@python3 -m toolchain docs
	NO_MKDOCS_2_WARNING=1 .nordgate/docs-venv/bin/python -m mkdocs build --strict
	@echo "  read it: .nordgate/site/index.html; to search in it: python3 -m http.server --directory .nordgate/site"

test-fast: tools ## Run the tests that need no guest, but for slow ones: three minutes or four
	$(PYTEST) --numprocesses auto -m "not slow" tests/unit tests/program tests/render

test: tools lint image ## Run every test, the real guest included
	$(PYTEST) --numprocesses 2

test-all: tools lint image ## The same, and the long tables
	$(PYTEST) --numprocesses 2 --long
