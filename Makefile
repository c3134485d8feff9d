# Two commands for a fresh machine: `make demo` and `make test`. Everything lands in .venv and build/ of this folder.
# Wanted of the machine: Python >= 3.10 with venv and headers, g++, make, git (README lists the Debian packages).

PYTHON ?= python3
VENV := $(CURDIR)/.venv
# Activating the environment is all a user has to do afterwards; here, the same by hand.
ACTIVE := . "$(VENV)/bin/activate" &&
SOURCES := $(shell find affect_perception launch config resource -type f -not -name '*.pyc')
# Extras of setup.cfg that set-up installs. Two more: realsense (a camera of that make; needs libusb-1.0-0) and browser
# (tests of the dashboard; needs chromium).
EXTRAS ?= ros,build,bags,cnn,fast,eval,web,test
DURATION ?= 0
SOURCE ?= auto

.PHONY: demo test check bench set-up clean

demo: set-up  ## the whole graph on a camera, else on the built-in scene; DURATION=20 stops by itself
	@$(ACTIVE) affect-perception run --source $(SOURCE) --duration $(DURATION)

test: set-up  ## every test
	@$(ACTIVE) python -m pytest

check: set-up  ## what CI runs before the tests
	@$(ACTIVE) ruff check . && ruff format --check .

bench: set-up  ## the speed of the whole graph on this machine
	@$(ACTIVE) affect-perception bench pipeline

set-up: .venv/.built

.venv/.installed: setup.cfg setup.py constraints.txt
	@echo "setting up .venv (once; takes some minutes) ..."
	@test -x "$(VENV)/bin/python" || $(PYTHON) -m venv "$(VENV)"
	@$(ACTIVE) python -m pip install -qq --disable-pip-version-check -c constraints.txt 'setuptools<80' wheel
	@$(ACTIVE) python -m pip install -qq --disable-pip-version-check -c constraints.txt \
		--no-build-isolation -e '.[$(EXTRAS)]'
	@touch $@

.venv/.built: .venv/.installed CMakeLists.txt package.xml $(wildcard msg/*.msg) $(SOURCES)
	@echo "building messages and package ..."
	@$(ACTIVE) AMENT_PREFIX_PATH="$(VENV)" CMAKE_PREFIX_PATH="$(VENV)" python -m colcon --log-base build/log build \
		--symlink-install --merge-install --install-base "$(VENV)" --build-base build \
		--event-handlers console_cohesion- --cmake-args -DBUILD_TESTING=OFF -Wno-dev > build.log 2>&1 \
		|| { cat build.log; exit 1; }
	@rm -f build.log
	@touch $@

clean:  ## back to the sources
	rm -rf .venv build
