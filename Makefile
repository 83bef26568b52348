# `make` lists what there is. Everything is installed into .venv; nothing is done twice.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.made
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DEMO_ARGS ?=
TEST_ARGS ?=
# `nproc` is missing on some systems.
export TEST_PROCESSES ?= $(or $(shell nproc 2> /dev/null),2)
FAST_TESTS := $(wildcard test/unit test/property test/contract)

# With a ROS 2 underlay (ROS_DISTRO set) its rclpy and messages are used and no ROS wheel is installed. Interfaces are built
# for .venv's Python either way; an interface package that the underlay already has is not built.
ifdef ROS_DISTRO
VENV_ARGS := --system-site-packages
EXTRAS := cpu,simulation
BUILD_ENV := VIRTUAL_ENV=$(VENV) PATH=$(BIN):$$PATH
RUN := AMENT_PREFIX_PATH=$(VENV):$${AMENT_PREFIX_PATH:-} LD_LIBRARY_PATH=$(VENV)/lib:$${LD_LIBRARY_PATH:-} $(BIN)/
UNDERLAY := $(filter-out $(VENV),$(subst :, ,$(AMENT_PREFIX_PATH)))
else
VENV_ARGS :=
EXTRAS := cpu,simulation,ros,ros-build
BUILD_ENV := VIRTUAL_ENV=$(VENV) PATH=$(BIN):$$PATH AMENT_PREFIX_PATH=$(VENV) CMAKE_PREFIX_PATH=$(VENV)
RUN := $(BIN)/
UNDERLAY :=
endif
ROS := $(or $(ROS_DISTRO),wheels)

PACKAGING := pyproject.toml setup.py setup.cfg
INTERFACE_PACKAGES := transdiffuser_msgs carla_msgs derived_object_msgs ackermann_msgs
INTERFACES := $(foreach name,$(INTERFACE_PACKAGES),$(wildcard ros2_ws/src/$(name)/*.* ros2_ws/src/$(name)/msg/*.msg))
TO_BUILD := transdiffuser_msgs $(foreach name,$(filter-out transdiffuser_msgs,$(INTERFACE_PACKAGES)),\
  $(if $(wildcard $(addsuffix /share/$(name)/package.xml,$(UNDERLAY))),,$(name)))

# Only where Autoware is wanted: 2 minutes of processor time. AUTOWARE_INTERNAL_MSGS=1.13 builds CandidateTrajectory as before 1.14.
AUTOWARE_PACKAGES := autoware_planning_msgs autoware_perception_msgs autoware_vehicle_msgs autoware_internal_planning_msgs
AUTOWARE_FILES := $(foreach name,$(AUTOWARE_PACKAGES),$(wildcard ros2_ws/src/$(name)/*.* ros2_ws/src/$(name)/msg/*.msg))
AUTOWARE_TO_BUILD := $(foreach name,$(AUTOWARE_PACKAGES),$(if $(wildcard $(addsuffix /share/$(name)/package.xml,$(UNDERLAY))),,$(name)))
AUTOWARE_INTERNAL_MSGS ?= 1.14

PYTHON_FILES := transdiffuser_planner test launch docs/generate_reference.py docs/hooks.py ros2_ws/repair_wheels.py setup.py

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## drive 60 s through live traffic on ROS 2; leaves a bag and a report (DEMO_ARGS="--seed 8003")
	@$(RUN)transdiffuser demo $(DEMO_ARGS)

.PHONY: test
test: build $(STAMPS)/dev ## run the checks and all tests
	@$(MAKE) --no-print-directory check
	@$(RUN)python test/run_all.py $(TEST_ARGS)

.PHONY: test-fast
test-fast: $(STAMPS)/dev ## unit tests and cheap others, without ROS and browser (TEST_ARGS="-k collision")
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile -m "not (slow or ros or browser)" $(FAST_TESTS) $(TEST_ARGS)

.PHONY: tutorials
tutorials: build $(STAMPS)/dev ## run every command of the tutorials (about 5 minutes)
	@$(RUN)python -m pytest -m tutorial test/docs $(TEST_ARGS)

NAVSIM_PYTHON ?= $(CHECKOUT)/venv/bin/python

.PHONY: test-navsim
test-navsim: ## NAVSIM's devkit with our agents; CHECKOUT has navsim, nuplan-devkit and venv (docs/how-to/navsim.md)
	@[ -d "$(CHECKOUT)/navsim/navsim" ] && [ -d "$(CHECKOUT)/nuplan-devkit/nuplan" ] && [ -x "$(NAVSIM_PYTHON)" ] || \
	  { echo "make: give CHECKOUT=FOLDER with checkouts navsim and nuplan-devkit, and venv or NAVSIM_PYTHON=...; see docs/how-to/navsim.md" >&2; exit 1; }
	@PYTHONPATH=$(CURDIR):$(CHECKOUT)/navsim:$(CHECKOUT)/nuplan-devkit $(NAVSIM_PYTHON) -m pytest -s -p no:cacheprovider \
	  test/devkits/test_navsim_devkit.py $(TEST_ARGS)

CARLA_PYTHON ?= $(CHECKOUTS)/venv/bin/python

.PHONY: test-carla
test-carla: ## CARLA's leaderboard with our agent on our server; CHECKOUTS has leaderboard, scenario_runner and venv (docs/how-to/carla.md)
	@for name in leaderboard scenario_runner; do [ -d "$(CHECKOUTS)/$$name" ] || \
	  { echo "make: $(or $(CHECKOUTS),CHECKOUTS) has no folder $$name; give CHECKOUTS=FOLDER with checkouts leaderboard and scenario_runner, see docs/how-to/carla.md" >&2; exit 1; }; done
	@[ -x "$(CARLA_PYTHON)" ] || \
	  { echo "make: there is no $(CARLA_PYTHON); give CHECKOUTS a venv with the leaderboard's requirements, or CARLA_PYTHON=..., see docs/how-to/carla.md" >&2; exit 1; }
	@PYTHONPATH=$(CURDIR):$(CURDIR)/test/support TRANSDIFFUSER_PYTHON=$(BIN)/python TRANSDIFFUSER_CARLA_CHECKOUTS=$(abspath $(CHECKOUTS)) \
	  $(CARLA_PYTHON) -m pytest -s -p no:cacheprovider test/devkits/test_carla_leaderboard.py test/unit/integrations/carla/test_leaderboard_tick.py $(TEST_ARGS)

.PHONY: check
check: $(STAMPS)/dev ## formatter, ruff, word list, mypy, import-linter
	@$(BIN)/ruff format --quiet --check $(PYTHON_FILES) || { echo "make: not formatted; run .venv/bin/ruff format on the files above" >&2; exit 1; }
	@$(BIN)/ruff check $(PYTHON_FILES)
	@$(BIN)/codespell $(PYTHON_FILES) docs README.md ARCHITECTURE.md CONTRIBUTING.md models/tiny/README.md models/tiny_real/README.md ros2_ws/src/transdiffuser_msgs
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: docs
docs: $(STAMPS)/dev ## build the documentation site into build/site, offline; warnings are errors
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=$(CURDIR) $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

.PHONY: fuzz
fuzz: build $(STAMPS)/dev ## 10 000 generated messages of every input type through decoder and assembler, and 10 000 damaged bags (30 minutes)
	@FUZZ_EXAMPLES=10000 $(RUN)python -m pytest -s test/property

.PHONY: build
build: $(STAMPS)/interfaces ## install what the demo needs and build the ROS interfaces into .venv

.PHONY: autoware
autoware: $(STAMPS)/autoware-$(AUTOWARE_INTERNAL_MSGS) ## build Autoware's messages into .venv, those that no underlay has (AUTOWARE_INTERNAL_MSGS=1.13)

.PHONY: install
install: $(STAMPS)/dev build ## everything for development and training

.PHONY: workspace
workspace: build $(STAMPS)/dev ## build and test ros2_ws with colcon, as on a machine with ROS
	@cd ros2_ws && export $(BUILD_ENV) && colcon build && colcon test && colcon test-result --all

.PHONY: clean
clean: ## remove .venv, build folders and caches
	rm -rf $(VENV) build install log ros2_ws/build ros2_ws/install ros2_ws/log .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find transdiffuser_planner test -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: machine
machine:
	@command -v $(PYTHON) > /dev/null || { echo "make: $(PYTHON) not found; install Python 3.10 to 3.13 or give PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
	  { echo "make: $$($(PYTHON) --version) is not supported; Python 3.10 to 3.13 is needed, give PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || \
	  { echo "make: $(PYTHON) lacks venv; install it, on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@command -v c++ g++ clang++ > /dev/null || { echo "make: no C++ compiler found; on Debian and Ubuntu: apt install g++" >&2; exit 1; }
	@[ ! -s $(STAMPS)/demo ] || [ "$$(< $(STAMPS)/demo)" = $(ROS) ] || \
	  { echo "make: .venv was made for ROS 2 $$(< $(STAMPS)/demo), this shell has $(ROS); run make clean first" >&2; exit 1; }
ifdef ROS_DISTRO
	@$(PYTHON) -c 'import rclpy' 2> /dev/null || \
	  { echo "make: ROS_DISTRO is $(ROS), but $(PYTHON) cannot import rclpy; source that ROS 2, give its Python as PYTHON=... or unset ROS_DISTRO" >&2; exit 1; }
	@command -v colcon > /dev/null || \
	  { echo "make: colcon not found; on Debian and Ubuntu: apt install python3-colcon-common-extensions" >&2; exit 1; }
endif

$(BIN)/python: | machine
	@echo "creating .venv"
	@$(PYTHON) -m venv $(VENV_ARGS) $(VENV)

$(STAMPS)/demo: $(PACKAGING) | $(BIN)/python
ifdef ROS_DISTRO
	@echo "installing the planner and the simulator into .venv, beside ROS 2 $(ROS) (about 1 GB)"
else
	@echo "installing the planner, the simulator and ROS 2 into .venv (about 1.5 GB)"
endif
	@$(PIP) -e ".[$(EXTRAS)]"
	@mkdir -p $(STAMPS) && echo $(ROS) > $@

# All groups in one call: what one of them forbids must not come in by another.
$(STAMPS)/dev: $(STAMPS)/demo
	@echo "installing PyTorch and the development tools into .venv (about 1 GB)"
	@$(PIP) -e ".[$(EXTRAS),training,dev]"
	@touch $@

define build_interfaces
	@mkdir -p build
	@$(BUILD_ENV) colcon --log-base build/log build --base-paths ros2_ws/src --build-base build/interfaces \
	  --install-base $(VENV) --merge-install --packages-select $(1) \
	  --event-handlers console_direct- console_cohesion- console_start_end- console_stderr- \
	  --cmake-args -DBUILD_TESTING=OFF $(2) > build/$(3).log 2>&1 || \
	  { tail -n 30 build/$(3).log; echo "make: building the interfaces failed; the whole log is build/$(3).log" >&2; exit 1; }
endef

$(STAMPS)/interfaces: $(STAMPS)/demo $(INTERFACES)
	@echo "building the ROS interfaces"
ifndef ROS_DISTRO
	@$(BIN)/python ros2_ws/repair_wheels.py
endif
	$(call build_interfaces,$(TO_BUILD),,interfaces)
	@touch $@

$(STAMPS)/autoware-%: $(STAMPS)/interfaces $(AUTOWARE_FILES)
ifneq ($(AUTOWARE_TO_BUILD),)
	@echo "building Autoware's messages ($(AUTOWARE_TO_BUILD))"
	$(call build_interfaces,$(AUTOWARE_TO_BUILD),-DBEFORE_1_14=$(if $(filter 1.11 1.12 1.13,$*),ON,OFF),autoware)
endif
	@rm -f $(STAMPS)/autoware-* && touch $@
