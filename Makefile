# make run    train a small judge on this machine and watch it get better
# make test   run the fast tests
# Both create .venv and install what they need. Python >= 3.11 and pip are enough.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
# tests at a time; each of the slow ones may hold several GB
WORKERS ?= 2

# wheels that pip is told of are there for uv, too
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif

.PHONY: run test slow lint types docs site check dist sbom clean

run: $(VENV)/.installed
	$(BIN)/rmr1 run $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) $(ARGS)

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist loadgroup --durations 25 $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/generate.py

# the documentation as pages for a browser, in build/site
site: $(VENV)/.installed-dev
	$(BIN)/python docs/build_site.py $(ARGS)

check: lint types test

# the files of a release: an sdist, and the wheel that is built from it
dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	ls -l dist

# a list of all packages of a fresh installation of that wheel, in the format CycloneDX
sbom: dist
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/sbom
	$(BIN)/uv pip install --quiet --python build/sbom/bin/python --constraint constraints.txt dist/*.whl
	$(BIN)/uv tool run --quiet --from "cyclonedx-bom>=7" cyclonedx-py environment --output-reproducible --output-file dist/sbom.json build/sbom/bin/python

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rmr1 needs Python 3.11 or newer; say which with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || ($(PYTHON) -m pip install --user virtualenv && $(PYTHON) -m virtualenv $(VENV))

# --group needs pip 25.1
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install --quiet --upgrade "pip>=25.1"
	$(PIP) install --quiet --constraint constraints.txt --editable ".[local,trackers]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --group dev
	touch $@
