# The course's commands: `make help`. What they do is in the crate `lab`
# (common/lab); here the words after `make` become its arguments.

.DEFAULT_GOAL := help

REGISTRY := common/lab/stages.toml
STAGES   := $(shell sed -n 's/^number = \([0-9][0-9]*\)$$/\1/p' $(REGISTRY))
NUMBERED := run-stage server client check load
PLAIN    := help test doctor clean
.PHONY: $(NUMBERED) $(PLAIN) .lab .toolchain

# `make run-stage 4`: make takes the 4 for a second goal. It is one only beside
# a target that wants a number, so that a mistyped target is still an error.
# All of this happens before anything runs, and no word gets to a shell before
# it was found in the list.
ifneq (,$(filter $(NUMBERED),$(MAKECMDGOALS)))
  WORDS := $(filter-out $(NUMBERED) $(PLAIN),$(MAKECMDGOALS))
  # `N=4` works too; an N that happens to be in the environment does not count.
  ifeq (command line,$(origin N))
    STAGE := $(N)
  else
    STAGE := $(firstword $(WORDS))
  endif
  ifeq (,$(strip $(STAGE)))
    $(error usage: make $(firstword $(filter $(NUMBERED),$(MAKECMDGOALS))) N   where N is one of: $(STAGES))
  endif
  ifneq (,$(filter-out $(STAGE),$(WORDS)))
    $(error one stage number, please; got: $(WORDS) $(if $(filter command line,$(origin N)),N=$(N)))
  endif
  # In this order: a % in STAGE must not act as a pattern.
  ifeq (,$(filter $(STAGES),$(STAGE)))
    $(error no stage '$(STAGE)'; there are: $(STAGES))
  endif
  ifneq (1,$(words $(STAGE)))
    $(error one stage number, please; got: $(STAGE))
  endif
  ifneq (,$(WORDS))
    # Phony, or a file called 4 would be "up to date".
    .PHONY: $(WORDS)
    $(sort $(WORDS)): ; @:
  endif
endif

LAB := cargo run -q -p lab --

help:
	@echo 'make run-stage N   run stage N: on a terminal you are in the client, else a scripted session'
	@echo 'make server N      the server of stage N alone, and'
	@echo 'make client N      a client, for two terminals; ARGS="--help" shows their options'
	@echo 'make check N       the graded checks of stage N'
	@echo 'make load N        load the server of stage N and measure; ARGS="--help" shows how'
	@echo 'make test          all tests'
	@echo 'make doctor        what is missing on this machine, and the command that mends it'
	@echo 'make clean         remove everything that was built'
	@echo
	@echo 'N is a stage:'
	@sed -n -e 's/^number = /  /p' -e 's/^title = "\(.*\)"/\1/p' $(REGISTRY) | paste - -

run-stage: .lab
	@$(LAB) run $(STAGE) $(ARGS)

server client check: .lab
	@$(LAB) $@ $(STAGE) -- $(ARGS)

load: .lab
	@$(LAB) load $(STAGE) $(ARGS)

test: .toolchain
	cargo test --workspace $(ARGS)

doctor: .lab
	@$(LAB) doctor

clean:
	cargo clean

# Once, and not in silence: the tool's first build takes half a minute.
.lab: .toolchain
	@[ -x "$${CARGO_TARGET_DIR:-target}/debug/lab" ] || { \
	  echo "Building the course's own tool; only the first time takes this long." >&2; cargo build -p lab; }

.toolchain:
	@command -v cargo >/dev/null || { \
	  echo "error: cargo is missing: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  echo 'error: a C compiler is missing, and Rust links with it; on Debian: sudo apt-get install build-essential' >&2; exit 1; }
