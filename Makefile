# Two commands on a fresh machine with Python 3.11 or newer and a C++20 compiler:
#
#   make demo    simulate, train, and classify a micrograph; results under demo/
#   make test    every check there is
#
# Choose another interpreter with   make test PYTHON=python3.13
# CMake and Ninja are fetched by the build itself where the machine has none.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; \
    done; echo python3)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := pyproject.toml CMakeLists.txt README.md LICENSE \
    $(shell find cpp python -type f -not -name '*.pyc' 2>/dev/null)
CPP := $(shell find cpp -name '*.cpp' -o -name '*.hpp' 2>/dev/null)
PY := python tests bench examples

# Every program starts in less than half of the time from bytecode, which stays in the venv.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check style fuzz faults sanitize bench format docs docs-links architecture clean
.DEFAULT_GOAL := help

help:
	@sed -n '3,4s/^# *//p' Makefile
	@echo "make sanitize  the core's tests under AddressSanitizer and UBSan"
	@echo "make faults    commands killed, on full disks, in folders that vanish"
	@echo "make bench     speed, against what is being beaten"
	@echo "make docs      the documentation site, in build/docs"
	@echo "make format    ruff and clang-format, in place"
	@echo "make clean     remove the venv and everything built"

demo: $(VENV)/.installed-train,io,viz
	$(BIN)/stemfast demo

# Each file of tests stays in one process: what it trains for all of its tests is trained once.
# tests/test_types.py runs mypy beside the others.
test: style
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile \
	    --no-loadscope-reorder --pyargs tests stemfast

check: style
	$(BIN)/mypy

style: $(VENV)/.installed-test
	$(BIN)/ruff check $(PY)
	$(BIN)/ruff format --check $(PY)
	$(BIN)/clang-format --dry-run --Werror $(CPP)

# Atheris, which fuzzes the loaders, has wheels for Linux alone.
fuzz: $(VENV)/.installed-fuzz
	STEMFAST_FUZZ_CALLS=10000 STEMFAST_HASH_IMAGES=1000 $(BIN)/python -m pytest -q \
	    tests/test_random_calls.py tests/test_random_commands.py tests/test_image_hashes.py
	$(BIN)/python tests/fuzz_loaders.py

faults: $(VENV)/.installed-test
	$(BIN)/python tests/faults.py

bench: $(VENV)/.installed-bench
	$(BIN)/python -m pytest bench --benchmark-only

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix $(PY)
	$(BIN)/ruff format $(PY)
	$(BIN)/clang-format -i $(CPP)

# One instruction set will do here: all are compiled from the same source, and slowly so when
# sanitized. The core is installed beside the normal one, into build/asan-site, and found first.
# Python itself is not sanitized, so the runtime is preloaded; leak checks would only see Python's.
SANITIZED := build/asan-site
CORE_TESTS ?= $(addprefix tests/test_, bad_input.py image.py random_numbers.py rotation.py \
    thickness.py voxel.py dataset_read.py convolution.py outline_kernels.py edge_profiles.py \
    isolation_kernels.py)
sanitize: $(VENV)/.installed-test
	$(PIP) install --quiet --no-deps --upgrade --target $(SANITIZED) \
	    --config-settings=cmake.build-type=RelWithDebInfo \
	    --config-settings=cmake.define.STEMFAST_SANITIZE=address,undefined \
	    --config-settings=cmake.define.STEMFAST_HAS_X86_LEVELS=OFF \
	    --config-settings=install.strip=false \
	    --config-settings=build-dir=build/asan-wheel .
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	PYTHONPATH=$(SANITIZED) PYTHONMALLOC=malloc \
	LD_PRELOAD="$$($${CXX:-c++} -print-file-name=libasan.so) $$($${CXX:-c++} -print-file-name=libstdc++.so)" \
	    $(BIN)/python -m pytest -p no:cacheprovider $(CORE_TESTS)

# Warnings are errors: a page that no navigation reaches, a link inside the site that leads nowhere.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going docs build/docs

# Links to other people's sites as well, which needs the network.
docs-links: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --builder linkcheck docs build/docs-links

# The drawing of docs/architecture.md, from the imports.
architecture: $(VENV)/.installed-all
	$(BIN)/python docs/draw_architecture.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks

# One stamp per set of extras: a second run installs nothing unless a source has changed.
$(VENV)/.installed-%: $(SOURCES) | $(BIN)/python
	@command -v "$${CXX:-c++}" >/dev/null || command -v g++ >/dev/null || \
	    command -v clang++ >/dev/null || \
	    { echo "stemfast needs a C++20 compiler and found none. Debian, Ubuntu: apt-get install g++;" \
	    "macOS: xcode-select --install; or set CXX"; exit 1; }
	@echo "building and installing stemfast[$*] into $(VENV) (the first time takes some minutes)"
	$(PIP) install --quiet --upgrade --no-compile '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "stemfast needs Python 3.11 or newer and '$(PYTHON)' is not; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	    { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
