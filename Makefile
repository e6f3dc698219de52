# quickstart | paper | synth | verify | test | lint | bench: each first installs what it needs into .venv, from the lock files.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
export PATH := $(CURDIR)/$(BIN):$(PATH)
# what a user gives reaches the shell as variables, never as text of a recipe
export GIVEN_MODEL := $(value MODEL)
export GIVEN_INPUT := $(value INPUT)
export GIVEN_VECTORS := $(value VECTORS)
export GIVEN_FLOWS := $(value FLOWS)
export GIVEN_RUN := $(value RUN)
export GIVEN_CORES := $(value CORES)

.PHONY: quickstart paper synth verify test test-slow test-slurm lint bench lock install asic-tools clean-environment

quickstart: install
	$(BIN)/python -m nanotrigger.run --configfile config/quickstart.yaml --cores "$$GIVEN_CORES"

paper: install .tools/debian/complete
	$(BIN)/python -m nanotrigger.run --cores "$$GIVEN_CORES"

# make synth MODEL=model.onnx [INPUT='fixed<16,6>'] [FLOWS=rtl,asic] [VECTORS=vectors.npz]
synth: install .tools/debian/complete
	$(BIN)/python -m nanotrigger.synth $${GIVEN_INPUT:+--input="$$GIVEN_INPUT"} $${GIVEN_VECTORS:+--vectors="$$GIVEN_VECTORS"} --flows="$${GIVEN_FLOWS:-rtl}" --cores "$$GIVEN_CORES" -- "$$GIVEN_MODEL"

# make verify RUN=quickstart: what was altered since the run ended
verify: install
	@$(BIN)/python -m nanotrigger.verify -- "$${GIVEN_RUN:-quickstart}"

test: lint .tools/debian/complete
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: install
	$(BIN)/python -m pytest -m slow

# on a cluster of one node that the test starts and stops (Debian: munge slurmctld slurmd slurm-client), by any user
test-slurm: install
	$(BIN)/python -m pytest -m slurm

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow examples
	$(BIN)/python -m nanotrigger.lint

# `make bench BENCH="hardware --only hgq_1000"` measures that alone
bench: install
	$(BIN)/python -m bench $(BENCH)

install: $(VENV)/installed

$(VENV)/installed: requirements.lock requirements-hashed.lock pyproject.toml
	@$(PYTHON) -c 'import os, re, sys; sys.exit(None if re.fullmatch(r"[\w./+@,=~-]*", os.getcwd()) else f"{os.getcwd()!r}: make and Verilator break on blanks, quotes and the like in a path. Clone into a folder with letters, digits and _ . / + @ , = ~ - alone.")'
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.11 or newer is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.11 ..." if v < (3, 11) else 0)'
	@for program in g++ make perl; do command -v $$program > /dev/null || { echo "$$program is not installed (Debian: apt install g++ make perl)"; exit 1; }; done
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off --no-deps --require-hashes -r requirements-hashed.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m nanotrigger.lockfile --check requirements.lock
	@touch $@

# OpenSTA and standard cells for the asic flow, which are not on PyPI: Debian's, unpacked without root
asic-tools:
	sh workflow/scripts/asic_tools.sh

# the same where it can be: without them the rows of the asic flow say what is missing, and the next run tries again
.tools/debian/complete:
	@mkdir -p .tools/debian
	@$(MAKE) --no-print-directory asic-tools > .tools/asic-tools.log 2>&1 && touch $@ \
	  || echo "asic flow: OpenSTA or its cells could not be unpacked, see .tools/asic-tools.log"

# every package, transitive ones too, at the version that is in use; and the hashes of those that are one file everywhere
lock:
	rm -rf .tools/lock && $(PYTHON) -m venv .tools/lock
	.tools/lock/bin/python -m pip install --quiet -r requirements.in -r requirements-dev.in
	echo "# Made by 'make lock' from requirements.in and requirements-dev.in: do not edit." > requirements.lock
	.tools/lock/bin/python -m pip freeze --all --exclude pip | sed 's/+cpu$$//' >> requirements.lock
	.tools/lock/bin/python -m pip install --quiet --dry-run --ignore-installed --no-deps --report .tools/lock/report.json -r requirements.lock
	PYTHONPATH=src .tools/lock/bin/python -m nanotrigger.lockfile .tools/lock/report.json > requirements-hashed.lock

clean-environment:
	rm -rf $(VENV) .tools
