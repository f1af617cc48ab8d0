# Every task sets up what it needs, in .venv and .tools; `make` alone lists them. Written for GNU make 3.81 (macOS) and later.

UV_VERSION := 0.13.9
SAM_VERSION := 1.170.0
PIP_AUDIT_VERSION := 2.10.1
CHECKOV_VERSION := 3.3.30
SALESFORCE_CLI_VERSION := 2.150.6
AWS_SDK_VERSION := 3.1164.0
NODE_VERSION := 22.23.3

ARCH ?= arm64
# More than there are processors, for most of what the tests do is wait.
WORKERS ?= 4
# As many as there are processors: what prove does is reckon, not wait.
PROVERS ?= $(shell getconf _NPROCESSORS_ONLN)
ARGS ?=
ALL ?=
MORE ?=
EVENT ?= events/vend-default.json

TOOLS := .tools
UV := $(TOOLS)/uv-$(UV_VERSION)
SAM_HOME := $(TOOLS)/sam-$(SAM_VERSION)
SAM_READY := $(SAM_HOME)/.ready
READY := .venv/.ready
PIP_AUDIT_HOME := $(TOOLS)/pip-audit-$(PIP_AUDIT_VERSION)
PIP_AUDIT := $(PIP_AUDIT_HOME)/bin/pip-audit
CHECKOV_HOME := $(TOOLS)/checkov-$(CHECKOV_VERSION)
CHECKOV := $(CHECKOV_HOME)/bin/checkov
PYTHON := .venv/bin/python
MUTMUT_HOME := $(TOOLS)/mutmut
MUTMUT_READY := $(MUTMUT_HOME)/.ready
# The make that SAM starts for the layer isn't a part of this one.
APART := MAKEFLAGS= MAKELEVEL=
# Expanded where it is used: the processor is the one that the target is made for.
SAM = $(APART) LAMBDA_ARCHITECTURE=$(ARCH) UV="$(CURDIR)/$(UV)" $(SAM_HOME)/bin/sam

# A copy that git ignores: SAM reads one file alone, and writes into it what --guided asks for.
DEPLOY_CONFIG := samconfig.local.toml

LAYER := layers/salesforce_keypair
CALLERS_LAYER := layers/salesforce_token
# Apart from .aws-sam/build: a deployment must never take a build that was made for this machine's processor.
LOCAL_BUILD := .aws-sam/local/build
MACHINE := $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
FIND_PYTHON := sh $(LAYER)/find_python.sh 3.13 3.12 3.11 3.14
NO_PYTHON := { echo "No Python 3.11 or later runs here: install python3.13" >&2; exit 1; }
CODE := layers functions operate tests

EXPORT_REQUIREMENTS := $(UV) export --quiet --locked --no-dev --no-emit-project --no-header --no-annotate --format requirements.txt

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
export SAM_CLI_TELEMETRY := 0
# With it set, each of the many processes of the demo and the tests would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
# An active environment of another project is none of ours.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup onboard demo demo-manual test cuts prove mutate test-clients lint format typecheck validate audit \
    build local-build reproducible deploy spread burst bench sandbox doctor status rotate resume rollback revoke \
    local-rotate local-vend local-lambda requirements error-docs count clean roles checkov

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## install what the tasks need into .venv (they do it themselves)

demo: $(READY) ## watch a first installation, a rotation under traffic, one put back (ARGS="..." is passed on)
	@PYTHONPATH="$(CURDIR)/$(CALLERS_LAYER)" $(PYTHON) -m tests.sandbox.demo $(ARGS)

demo-manual: $(READY) ## watch rotations whose certificates a person uploads (ARGS="..." is passed on)
	@PYTHONPATH="$(CURDIR)/$(CALLERS_LAYER)" $(PYTHON) -m tests.sandbox.demo_manual $(ARGS)

spread: $(READY) ## count what callers see while a certificate spreads, in every plausible way
	@$(PYTHON) -m tests.sandbox.spread $(ARGS)

burst: $(READY) ## count the logins that 100 cold environments at once cost, with a table of tokens and without
	@$(PYTHON) -m tests.sandbox.burst $(ARGS)

bench: $(READY) ## measure what a token costs, beside what it would cost otherwise (ARGS=--help)
	@"$(MAKE)" --no-print-directory local-build
	@$(PYTHON) -m tests.sandbox.bench $(ARGS)

QUICK_TESTS := -m "not exhaustive and not further and not cuts and not slow"
ALL_TESTS := -m "not exhaustive and not further and not cuts" --cov --cov-fail-under=95
PROOFS := cuts or exhaustive or sampled

test: $(READY) ## run the quick tests; with ALL=yes all but those of prove, and coverage; or ARGS="tests/unit -k name"
	@$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(if $(ARGS),$(ARGS),$(if $(ALL),$(ALL_TESTS),$(QUICK_TESTS)))

cuts: $(READY) ## let one trouble befall every remote call of a rotation, and see each promise hold
	@$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal -m cuts

prove: $(READY) ## try to break every promise in every way that is known (MORE=yes: in further set-ups, too)
	@$(PYTHON) -m pytest -n $(PROVERS) --dist worksteal --hypothesis-profile prove -m "$(PROOFS)$(if $(MORE), or further)"

mutate: $(MUTMUT_READY) ## change the code in small ways and see the tests notice (takes an hour; ARGS="vending fetching")
	@nice -n 15 $(MUTMUT_HOME)/bin/python -m tests.mutation $(ARGS)

test-clients: $(READY) ## drive the Salesforce CLI and a caller in Node (from npm, 300 MB; skipped without Node)
	@if found=$$(sh tests/clients/install_clients.sh "$(CURDIR)/$(TOOLS)" $(SALESFORCE_CLI_VERSION) $(AWS_SDK_VERSION) $(NODE_VERSION)); then \
	    export NODE="$$(echo "$$found" | sed -n 1p)" SALESFORCE_CLI="$$(echo "$$found" | sed -n 2p)" AWS_SDK="$$(echo "$$found" | sed -n 3p)"; \
	    HOME="$(CURDIR)/$(TOOLS)" SF_DISABLE_TELEMETRY=true "$$NODE" "$$SALESFORCE_CLI" version && \
	    $(PYTHON) -m pytest tests/clients/salesforce_cli.py tests/clients/node_caller.py $(ARGS); \
	else \
	    echo "Skipped: $$found"; \
	fi

lint: $(READY) ## check style and format
	@$(PYTHON) -m ruff check $(CODE)
	@$(PYTHON) -m ruff format --check $(CODE)

format: $(READY) ## put style and format right, where a machine can
	@$(PYTHON) -m ruff check --fix $(CODE)
	@$(PYTHON) -m ruff format $(CODE)

typecheck: $(READY) ## check the types, strictly
	@$(PYTHON) -m mypy $(CODE)

validate: $(READY) $(SAM_READY) ## check template.yaml, before and after its transform, and the layer's requirements
	@$(SAM) validate --lint --region us-east-1
	@.venv/bin/cfn-lint template.yaml
	@mkdir -p .aws-sam
	@$(PYTHON) -m tests.template.transformed > .aws-sam/transformed.json
	@.venv/bin/cfn-lint .aws-sam/transformed.json && echo "cfn-lint: nothing found, before and after the transform"
	@$(EXPORT_REQUIREMENTS) > .aws-sam/requirements.txt
	@diff -u $(LAYER)/requirements.txt .aws-sam/requirements.txt || \
	    { echo '$(LAYER)/requirements.txt is not what uv.lock says: run "make requirements"' >&2; exit 1; }

checkov: $(CHECKOV) ## look for known weaknesses in template.yaml; what is passed over says why there
	@$(CHECKOV) --file template.yaml --framework cloudformation --compact --quiet --skip-download

roles: $(READY) ## list what each function calls in AWS beside what its role allows, and why where they differ
	@PYTHONPATH="$(CURDIR)/$(LAYER):$(CURDIR)/$(CALLERS_LAYER)" $(PYTHON) -m tests.template.roles

audit: $(READY) $(PIP_AUDIT) ## look for known vulnerabilities in the versions that uv.lock names
	@mkdir -p .aws-sam
	@$(UV) export --quiet --locked --all-groups --no-emit-project --no-header --format requirements.txt > .aws-sam/locked.txt
	@$(PYTHON) -m tests.audit $(PIP_AUDIT) .aws-sam/locked.txt

build: $(SAM_READY) ## build what is deployed (ARCH=arm64 or x86_64)
	@$(SAM) build --parameter-overrides Architecture=$(ARCH)
	@echo "Built for $(ARCH). Deploy with: make deploy ARGS=--guided (parameter Architecture: $(ARCH))"

OPERATE = PYTHONPATH="$(CURDIR)/$(LAYER)" $(PYTHON) -m operate

onboard: $(READY) ## set a secret up for its first rotation: asks, looks at the org, writes (SECRET=..., ARGS=--help)
	@$(OPERATE) onboard $(if $(SECRET),--secret "$(SECRET)") $(ARGS)

sandbox: $(READY) ## start the local world and leave it up for the AWS CLI and sam local (ARGS=--help)
	@$(PYTHON) -m tests.sandbox.serve $(ARGS)

upload: $(READY) ## put a certificate into the sandbox's app as a person does: a stranger's, or ARGS=certificate.pem
	@PYTHONPATH="$(CURDIR)/$(LAYER)" $(PYTHON) -m tests.sandbox.upload $(ARGS)

doctor: $(READY) ## say what is wrong with a key pair and what to do; changes nothing (SECRET=name, ARGS=--help)
	@$(OPERATE) doctor $(if $(SECRET),--secret "$(SECRET)") $(ARGS)

OF_SECRET = $(if $(SECRET),--secret "$(SECRET)") $(ARGS)

status: $(READY) ## show a secret's versions, ages, apps, schedule, and what its rotation waits for (SECRET=name)
	@$(OPERATE) status $(OF_SECRET)

rotate: $(READY) ## replace the key pair now and follow the rotation to its end (SECRET=name)
	@$(OPERATE) rotate $(OF_SECRET)

resume: $(READY) ## take up a rotation that waits, or end it with ARGS=--give-up (SECRET=name)
	@$(OPERATE) resume $(OF_SECRET)

rollback: $(READY) ## make the previous version current again, its certificate back in the app (SECRET=name)
	@$(OPERATE) rollback $(OF_SECRET)

revoke: $(READY) ## after a leak: new keys, known sessions ended (SECRET=name ARGS="--vendor FUNCTION")
	@$(OPERATE) revoke $(OF_SECRET)

# Looked for before anything is built: without a container engine and a sandbox that would be in vain.
SAM_LOCAL := $(PYTHON) -m tests.sandbox.sam_local --sam $(SAM_HOME)/bin/sam
define beside_sandbox
@$(SAM_LOCAL) check
@"$(MAKE)" --no-print-directory local-build
endef

local-rotate: $(READY) ## rotate the sandbox's secret with sam local invoke, step by step (ARGS are SAM's)
	$(beside_sandbox)
	@$(SAM_LOCAL) rotate $(ARGS)

local-vend: $(READY) ## ask the token vendor with sam local invoke (EVENT=events/vend-min-ttl.json)
	$(beside_sandbox)
	@$(SAM_LOCAL) vend --event $(EVENT) $(ARGS)

local-lambda: $(READY) ## let sam local start-lambda answer SDKs on 127.0.0.1:3001, beside the sandbox
	$(beside_sandbox)
	@$(SAM_LOCAL) lambda $(ARGS)

local-build: $(LOCAL_BUILD)/template.yaml ## build for this machine's processor, apart from what is deployed
	@:

$(LOCAL_BUILD)/template.yaml: override ARCH := $(MACHINE)
$(LOCAL_BUILD)/template.yaml: template.yaml $(shell find functions $(LAYER) $(CALLERS_LAYER) -type f ! -path '*/__pycache__/*') | $(SAM_READY)
	@echo "Building for this machine ($(ARCH)) in $(LOCAL_BUILD)"
	@mkdir -p .aws-sam
	@$(SAM) build --build-dir $(LOCAL_BUILD) --parameter-overrides Architecture=$(ARCH) > .aws-sam/local-build.log 2>&1 || \
	    { cat .aws-sam/local-build.log >&2; exit 1; }

deploy: $(SAM_READY) $(DEPLOY_CONFIG) ## deploy what was built, with sam deploy (ARGS=--guided asks for all parameters)
	@[ ! samconfig.toml -nt $(DEPLOY_CONFIG) ] || \
	    echo "samconfig.toml has changed since $(DEPLOY_CONFIG), which is read instead: compare them, then touch the second" >&2
	@$(SAM) deploy --config-file $(DEPLOY_CONFIG) $(ARGS)

$(DEPLOY_CONFIG):
	@cp samconfig.toml $@

reproducible: $(UV) ## build the layer twice (ARCH=...) and compare, byte for byte
	@rm -rf .aws-sam/layer && mkdir -p .aws-sam/layer
	@for copy in first second; do \
	    cp -R $(LAYER) .aws-sam/layer/$$copy && \
	    $(APART) LAMBDA_ARCHITECTURE=$(ARCH) UV="$(CURDIR)/$(UV)" ARTIFACTS_DIR="$(CURDIR)/.aws-sam/layer/$$copy-built" \
	        "$(MAKE)" --no-print-directory -C .aws-sam/layer/$$copy build-KeyPairLayer || exit 1; \
	done
	@diff -r .aws-sam/layer/first-built .aws-sam/layer/second-built && echo "The two layers are the same, byte for byte."
	@rm -rf .aws-sam/layer

requirements: $(UV) ## write the layer's requirements from uv.lock, with hashes
	@$(EXPORT_REQUIREMENTS) --output-file $(LAYER)/requirements.txt > /dev/null

error-docs: $(READY) ## write docs/errors.md from the errors and Salesforce's refusals in the code
	@PYTHONPATH="$(CURDIR)/$(LAYER)" $(PYTHON) -m tests.documentation

count: ## count the lines of code and of tests, by folder
	@for folder in $(LAYER)/salesforce_keypair $(CALLERS_LAYER)/salesforce_token functions operate tests/sandbox tests/unit tests/integration tests/scenarios tests/template; do \
	    printf '%7d  %s\n' "$$(find $$folder -name '*.py' -exec cat {} + 2>/dev/null | wc -l)" $$folder; \
	done

clean: ## remove all that the tasks made, .venv and .tools included
	@rm -rf .venv $(TOOLS) .aws-sam .mutation .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

# The uv on PATH, if it runs and is new enough for this project (uv itself says so); else one of our own.
$(UV):
	@mkdir -p $(TOOLS)
	@if found=$$(command -v uv) && "$$found" python dir > /dev/null 2>&1; then \
	    ln -sf "$$found" $@; \
	else \
	    python=$$($(FIND_PYTHON)) || $(NO_PYTHON); \
	    echo "Fetching uv $(UV_VERSION) into $(TOOLS)"; \
	    "$$python" -m venv $(TOOLS)/uv-home && \
	    $(TOOLS)/uv-home/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) && \
	    ln -sf uv-home/bin/uv $@; \
	fi

$(READY): pyproject.toml uv.lock | $(UV)
	@python=$$($(FIND_PYTHON)) || $(NO_PYTHON); \
	echo "Setting up .venv with $$("$$python" --version)"; \
	$(UV) sync --quiet --frozen --compile-bytecode --python "$$python"
	@touch $@

# Apart from .venv, for it brings a lot that nothing else needs.
$(MUTMUT_READY): pyproject.toml uv.lock | $(UV)
	@python=$$($(FIND_PYTHON)) || $(NO_PYTHON); \
	UV_PROJECT_ENVIRONMENT=$(MUTMUT_HOME) $(UV) sync --quiet --frozen --group mutation --python "$$python"
	@touch $@

# SAM CLI pins old versions of what the project uses itself, so it lives apart.
$(SAM_READY): | $(UV)
	@python=$$($(FIND_PYTHON)) || $(NO_PYTHON); \
	echo "Fetching SAM CLI $(SAM_VERSION) into $(TOOLS)"; \
	$(UV) venv --quiet --clear --no-project --python "$$python" $(SAM_HOME) && \
	$(UV) pip install --quiet --compile-bytecode --python $(SAM_HOME)/bin/python aws-sam-cli==$(SAM_VERSION)
	@touch $@

# It asks for versions of its own.
$(PIP_AUDIT): | $(UV)
	@python=$$($(FIND_PYTHON)) || $(NO_PYTHON); \
	echo "Fetching pip-audit $(PIP_AUDIT_VERSION) into $(TOOLS)"; \
	$(UV) venv --quiet --clear --no-project --python "$$python" $(PIP_AUDIT_HOME) && \
	$(UV) pip install --quiet --python $(PIP_AUDIT_HOME)/bin/python pip-audit==$(PIP_AUDIT_VERSION)

# It pins a hundred versions of its own.
$(CHECKOV): | $(UV)
	@python=$$($(FIND_PYTHON)) || $(NO_PYTHON); \
	echo "Fetching checkov $(CHECKOV_VERSION) into $(TOOLS)"; \
	$(UV) venv --quiet --clear --no-project --python "$$python" $(CHECKOV_HOME) && \
	$(UV) pip install --quiet --python $(CHECKOV_HOME)/bin/python checkov==$(CHECKOV_VERSION)
