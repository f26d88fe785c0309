# Two commands for a fresh machine: `make demo` and `make test`. Both create .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A local CPU wheel where pip's find-links offer one, else PyTorch's CPU index, else the default.
TORCH ?=
CPU_TORCH := torch==2.13.0+cpu
CPU_INDEX := https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check format bench clean

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Ours against every rival, then one table: an hour or two on a machine that does nothing else.
# TUNESMITH_DATA names the folder of the public data sets.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/everything.py

clean:
	rm -rf $(VENV) runs build dist

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
ifneq ($(TORCH),)
	$(PIP) $(TORCH)
else
	$(PIP) $(CPU_TORCH) 2>/dev/null \
	  || $(PIP) torch --index-url $(CPU_INDEX) 2>/dev/null \
	  || $(PIP) torch
endif
	touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e ".[demo]"
	touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e ".[demo,forms,jwt,langchain,onnx,otel,parquet,postgres,search,serve,track,test]"
	touch $@

$(VENV)/.bench: $(VENV)/.torch pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e ".[demo,onnx,serve,bench]"
	touch $@
