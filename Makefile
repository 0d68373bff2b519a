# Everything sets itself up: a virtual environment in .venv, made anew when the lock file changes.
PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= config/config.yaml
export CONFIG
# What comes back from a GPU, and how long it may take.
OUT ?= results/from-gpu
MINUTES ?= 9.5
# Test files at a time, each on one core.
WORKERS ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Large buffers are kept instead of being returned to the system after each operation (fewer page faults).
export MALLOC_MMAP_MAX_ := 0
export MALLOC_TRIM_THRESHOLD_ := 100000000000
export MALLOC_TOP_PAD_ := 67108864

# Where it is set, each of many processes compiles the package anew, and pytest every test file.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-long lint bench soak same-bytes report format clean-demo gpu-tree gpu

help:
	@echo "make demo     both papers at toy size, to a report (minutes, offline)"
	@echo "make test     the test suite, two files at a time (WORKERS=$(WORKERS))"
	@echo "make test-long  what waits for other programs: a real SLURM, twenty killed commands (minutes)"
	@echo "make lint     ruff, snakefmt, snakemake --lint, the layers of imports (import-linter)"
	@echo "make bench    time of a training step: paper B's beside a nanoGPT-style one, paper A's methods side by side;"
	@echo "              of a plan, a dry run and a collection of 5,000 runs"
	@echo "make soak     long checks: heads of the authors' curves, commands killed at 200 random moments"
	@echo "make same-bytes BEFORE=REV  ten published runs, shortened, by this checkout and by that revision"
	@echo "make gpu-tree  fills gpu/: what a GPU machine without a network lacks (docs/on-a-gpu.md)"
	@echo "make gpu      there, without a set-up: tests, comparisons and times, then trains paper B (OUT=$(OUT) MINUTES=$(MINUTES))"
	@echo "make report   tables, figures and one page about the runs that exist so far (CONFIG=$(CONFIG))"

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"redrop needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	snakemake --configfile config/demo.yaml --quiet rules
	snakemake --configfile config/demo.yaml --quiet all --report results/demo/snakemake.html
	@echo
	@echo "The demo's report: $(CURDIR)/results/demo/report.html"
	@echo "Snakemake's own:   $(CURDIR)/results/demo/snakemake.html"
	@echo "Tables, figures:   $(CURDIR)/results/demo/STUDY/tables/ and figures/, where STUDY is"
	@echo "                   residual, glue, translation or summarization"

test: setup
	OMP_NUM_THREADS=1 pytest -q -n $(WORKERS) --dist loadscope --no-loadscope-reorder

test-long: setup
	pytest -q -m long

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint
	lint-imports --no-cache --no-logo

format: setup
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

bench: setup
	python tests/benchmarks/step.py --json results/benchmarks/step.json
	python tests/benchmarks/packs.py --json results/benchmarks/packs.json
	python tests/benchmarks/passes.py --json results/benchmarks/passes.json
	python tests/benchmarks/generation.py --json results/benchmarks/generation.json
	python tests/benchmarks/load.py --json results/benchmarks/load.json
	python tests/benchmarks/alone.py --json results/benchmarks/alone.json

soak: setup
	python tests/soak/soak.py --out results/published/soak

same-bytes: setup
	python tests/soak/same_bytes.py --before $(BEFORE)

gpu-tree: setup
	python tests/gpu/prepare.py

gpu:
	$(PYTHON) tests/gpu/first_half_hour.py --out $(OUT) --minutes $(MINUTES)

report: setup
	redrop build --config "$$CONFIG"

clean-demo:
	rm -rf results/demo
