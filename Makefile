# Thin: each line calls what can be called without make, too.
# PYTHON=python3.12 names another Python, PORT=9000 another port, ARGS=… goes to pytest.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	then echo $$p; exit; fi; done)
VENV := .venv/bin
PORT ?=
# Most tests wait for servers and devices more than they compute.
WORKERS ?= $(shell echo $$((2 * $$(nproc 2>/dev/null || sysctl -n hw.ncpu))))
ARGS ?=
# What a lease through the gateway needs; the page of a lease without one names another election id.
DEVICE ?= 1
ELECTION ?= 0,1
export SHARY_PORT := $(PORT)

.DEFAULT_GOAL := help
.PHONY: help run stop status reset test test-all test-gpu test-sriov-vm check fix bench gpu-host switch-host gpu-probe p4-shell test-p4-shell migration words lock environment environment-dev

help: ## Show what there is
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: environment ## Start the whole portal on this machine; Ctrl-C stops it
	@exec $(VENV)/python -m shary_portal.quickstart run --with-parent

stop: environment ## Stop the portal that runs elsewhere
	@$(VENV)/python -m shary_portal.quickstart stop

status: environment ## Say whether the portal runs, and where
	@$(VENV)/python -m shary_portal.quickstart status

reset: environment ## Forget everything that `make run` keeps in var/
	@$(VENV)/python -m shary_portal.quickstart reset

test: environment-dev ## Run the tests
	@$(VENV)/python -m tests.twice -n $(WORKERS) -m "not slow and not gpu" $(ARGS)

test-all: environment-dev ## Run the tests, the slow ones too
	@$(VENV)/python -m tests.twice -n $(WORKERS) -m "not gpu" $(ARGS)

test-gpu: environment-dev ## Look at this machine's real NVIDIA cards; changes none of their modes
	@$(VENV)/python -m pytest -m gpu tests/gpu $(ARGS)

test-sriov-vm: environment-dev ## Lend virtual functions of a real kernel in a virtual machine; takes minutes
	@SHARY_SRIOV_VM=.cache/sriov-vm $(VENV)/python -m pytest -m vm tests/vm/sriov $(ARGS)

check: environment-dev ## Format, lint, types, import contracts, migrations
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy .
	$(VENV)/lint-imports
	$(VENV)/python -W ignore manage.py makemigrations --check --dry-run
	$(VENV)/python manage.py check

fix: environment-dev ## Mend format and what ruff can mend
	$(VENV)/ruff check --fix
	$(VENV)/ruff format

bench: environment-dev ## Measure, each against its floor
	@$(VENV)/python -m bench $(ARGS)

bench-%: environment-dev ## One measurement: make bench-booking [ARGS=--quick]
	@$(VENV)/python -m bench.$(subst -,_,$*) $(ARGS)

gpu-host: environment ## Build shary-gpu-host.pyz, the program for a machine with cards and ssh
	@$(VENV)/python -m adapters.gpu_ssh.build

switch-host: environment ## Build shary-switch-host.pyz, the program for a switch that opens by ssh
	@$(VENV)/python -m adapters.p4_tofino_ssh.build

gpu-probe: environment ## Build shary-gpu-probe.pyz, which proves cards of any machine clean
	@$(VENV)/python -m adapters.gpu_probe.build

p4-shell: .venv-p4shell/.installed ## p4runtime-shell: TARGET=HOST:PORT FILES=folder with the lease's files
	@test -n "$(TARGET)" || { echo "Say where, as the lease's page does: make p4-shell TARGET=HOST:PORT FILES=folder"; exit 1; }
	@cd "$(or $(FILES),.)" && exec "$(CURDIR)/.venv-p4shell/bin/python" -m p4runtime_sh --grpc-addr $(TARGET) \
	--device-id $(DEVICE) --election-id $(ELECTION) \
	$(if $(FILES),--ssl --cacert ca.pem --cert lease.pem --private-key lease.key) $(ARGS)

test-p4-shell: environment-dev .venv-p4shell/.installed ## Try p4runtime-shell, unchanged, through the gateway
	@$(VENV)/python -m pytest -m slow tests/p4_gateway/test_p4runtime_shell.py $(ARGS)

# It pins an old protobuf that nothing else can live with: an environment of its own.
.venv-p4shell/.installed: requirements-p4shell.lock
	@$(require-python)
	$(PYTHON) -m venv --clear .venv-p4shell
	.venv-p4shell/bin/python -m pip install -qq --no-input --disable-pip-version-check --require-hashes -r $<
	@touch $@

migration: environment-dev ## Write a migration: make migration name=what_it_does [app=reservations]
	@test -n "$(name)" || { echo "Name it: make migration name=what_it_does"; exit 1; }
	$(VENV)/python manage.py makemigrations --name $(name) $(app)

words: environment-dev ## Gather the words to translate into locale/ (needs gettext)
	$(VENV)/python manage.py makemessages --all --no-obsolete --no-location --ignore .venv --ignore tests
	$(VENV)/python manage.py makemessages --all --no-obsolete --no-location --domain djangojs --ignore .venv --ignore tests --ignore staticfiles

lock: ## Remake the lock files from requirements*.txt (needs uv)
	@command -v uv >/dev/null || { echo "uv is missing: pip install uv"; exit 1; }
	for name in requirements requirements-dev requirements-p4shell; do \
	uv pip compile --quiet --no-emit-index-url --no-header --generate-hashes --python-version 3.11 \
	--universal $$name.txt --output-file $$name.lock || exit 1; done

environment:
	@$(require-python)
	@$(PYTHON) shary_portal/quickstart/environment.py requirements.lock
	@$(VENV)/python -m shary_portal.translations

environment-dev:
	@$(require-python)
	@$(PYTHON) shary_portal/quickstart/environment.py requirements-dev.lock
	@$(VENV)/python -m shary_portal.translations

define require-python
test -n "$(PYTHON)" || { echo "SHARY needs Python 3.11, 3.12 or 3.13, and none was found." \
"If one has another name: make run PYTHON=/path/to/python3.12"; exit 1; }
endef
