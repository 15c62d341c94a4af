# The course's commands: `make help`. What they do is in the crates `lab` and
# `lab-tools` (below common/); here the words after `make` become its arguments.

.DEFAULT_GOAL := help

REGISTRY := common/lab/stages.toml
# With or without CR: git on Windows makes files with both.
STAGES   := $(shell sed -n 's/^number = \([0-9][0-9]*\).*$$/\1/p' $(REGISTRY))
# A part's name stands alone at the beginning of a line, in its stage's piece.
PARTS    := $(shell sed -n 's/^name = "\([a-z0-9-]*\)".*$$/\1/p' $(REGISTRY))
parts_of  = $(shell sed -n '/^number = $1\r*$$/,/^\[\[stage\]\]/s/^name = "\([a-z0-9-]*\)".*$$/\1/p' $(REGISTRY))

# The targets, by the words that stand after them. A new target goes into one of
# these lists, and finds its words in the variables on the right.
STAGED   := run-stage wire server client admin load attack hunt cluster chaos# N  $(STAGE)
PARTED   := check watch#                        N [PART]          $(STAGE) $(PART)
COMPARED := diff#                               N [PART], or A B  $(STAGE) $(PART) $(OTHER)
PLACED   := start#                              N [PART] [DIR]    $(STAGE) $(PART) $(FOLDER)
FOLDERED := grade#                              DIR               $(FOLDER)
HINTED   := hint#                               [CHECK]           $(CHECK)
PLAIN    := help test test-course doctor next book clean#  nothing

WORDED := $(STAGED) $(PARTED) $(COMPARED) $(PLACED) $(FOLDERED) $(HINTED)
.PHONY: $(WORDED) $(PLAIN) .lab .toolchain

# `make run-stage 4`: make takes the 4 for a second goal. It is one only beside
# a target that wants words, so that a mistyped target is still an error. All of
# this happens before anything runs, and no word gets to a shell before it was
# found in the list, or, for a folder, to be of harmless characters.
GOALS := $(filter $(WORDED),$(MAKECMDGOALS))
ifneq (,$(GOALS))
  GOAL  := $(firstword $(GOALS))
  usage  = usage: make $(GOAL) $1   where N is one of: $(STAGES)
  typed  = $(if $(filter command line,$(origin $1)),$($1))
  # `N=4` and `DIR=there` work too; what happens to be in the environment does not count.
  WORDS := $(filter-out $(WORDED) $(PLAIN),$(MAKECMDGOALS))
  GIVEN := $(strip $(call typed,N) $(WORDS) $(call typed,DIR))
  FORM  := $(strip $(foreach form,STAGED PARTED COMPARED PLACED FOLDERED HINTED,$(if $(filter $(GOALS),$($(form))),$(form))))
  ifneq (1,$(words $(FORM)))
    $(error one at a time, please; these take different words: $(GOALS))
  endif

  ifeq ($(FORM),FOLDERED)
    FOLDER := $(GIVEN)
    # ARGS may say it all: --batch, or --help.
    ifeq (,$(FOLDER)$(ARGS))
      $(error usage: make $(GOAL) DIR)
    endif
  else ifeq ($(FORM),HINTED)
    CHECK := $(GIVEN)
    ifneq (,$(word 2,$(CHECK)))
      $(error one check, please; got: $(CHECK))
    endif
  else
    STAGE := $(firstword $(GIVEN))
    MORE  := $(wordlist 2,9,$(GIVEN))
    ifeq (,$(STAGE))
      $(error $(call usage,$(if $(filter STAGED,$(FORM)),N,N [PART]$(if $(filter COMPARED,$(FORM)),   or make $(GOAL) A B)$(if $(filter PLACED,$(FORM)), [DIR]))))
    endif
    ifeq ($(FORM),STAGED)
      # The same number twice, in both ways of giving it, is no contradiction.
      ifneq (,$(filter-out $(STAGE),$(MORE)))
        $(error one stage number, please; got: $(GIVEN))
      endif
    endif
    # In this order: a % in STAGE must not act as a pattern.
    ifeq (,$(filter $(STAGES),$(STAGE)))
      $(error no stage '$(STAGE)'; there are: $(STAGES))
    endif
    # What is left in MORE is a second stage or a folder.
    THERE := $(call parts_of,$(STAGE))
    PART  := $(filter $(PARTS),$(filter-out $(call typed,DIR),$(MORE)))
    MORE  := $(filter-out $(PART),$(MORE))
    no_part = stage $(STAGE) has no part '$1'; its parts: $(THERE)
    ifneq (,$(filter-out $(THERE),$(PART))$(word 2,$(PART)))
      $(error $(call no_part,$(lastword $(PART))))
    endif
  endif

  ifeq ($(FORM),PARTED)
    # The same number twice, in both ways of giving it, is no contradiction.
    ifneq (,$(filter-out $(STAGE),$(filter $(STAGES),$(MORE))))
      $(error one stage number, please; got: $(GIVEN))
    endif
    ifneq (,$(filter-out $(STAGE),$(MORE)))
      $(error $(call no_part,$(firstword $(filter-out $(STAGE),$(MORE)))))
    endif
  endif

  ifeq ($(FORM),COMPARED)
    OTHER := $(MORE)
    ifneq ($(words $(OTHER)),$(words $(filter $(STAGES),$(OTHER))))
      $(error no stage '$(firstword $(filter-out $(STAGES),$(OTHER)))'; there are: $(STAGES); parts of stage $(STAGE): $(THERE))
    endif
    ifneq (,$(word 2,$(OTHER) $(PART)))
      $(error two stage numbers at most, or a part; got: $(GIVEN))
    endif
  endif

  ifeq ($(FORM),PLACED)
    FOLDER := $(MORE)
    # In `make start 4 5` the 5 is more likely a mistake than a folder.
    ifneq (,$(filter $(STAGES),$(filter-out $(call typed,DIR),$(FOLDER))))
      $(error one stage number, please; got: $(GIVEN); a folder of that name is DIR=$(firstword $(FOLDER)))
    endif
  endif

  # A folder's name becomes a word of a shell and, if it was typed as a goal, a
  # target. What is left of it without these characters must be nothing.
  ifneq (,$(FOLDER)$(CHECK))
    HARMLESS := a b c d e f g h i j k l m n o p q r s t u v w x y z \
                A B C D E F G H I J K L M N O P Q R S T U V W X Y Z 0 1 2 3 4 5 6 7 8 9 / . _ -
    without   = $(if $2,$(call without,$(subst $(firstword $2),,$1),$(wordlist 2,99,$2)),$1)
    ifneq (,$(call without,$(CHECK),$(HARMLESS)))
      $(error no check is called like this: $(CHECK))
    endif
    ifneq (,$(word 2,$(FOLDER)))
      $(error one folder, please, without spaces in its name; got: $(FOLDER))
    endif
    ifneq (,$(call without,$(FOLDER),$(HARMLESS)))
      $(error a folder's name may have letters, digits and / . _ - here; got: $(FOLDER))
    endif
  endif
  ifneq (,$(filter PLACED,$(FORM)))
    # Without a part, a plain word is more likely a mistyped part than a folder.
    ifneq (,$(filter-out $(call typed,DIR) $(PLAIN) $(WORDED),$(if $(PART)$(findstring /,$(FOLDER))$(findstring .,$(FOLDER)),,$(FOLDER))))
      $(error $(call no_part,$(FOLDER)); a folder of that name is DIR=$(FOLDER))
    endif
    # What is called like a part, and was said to be a folder.
    FOLDER := $(if $(filter $(PARTS),$(FOLDER)),./)$(FOLDER)
  endif
  ifneq (,$(filter PLACED FOLDERED,$(FORM)))
    ifneq (,$(filter-out $(GOAL) $(WORDS),$(MAKECMDGOALS)))
      $(error make $(GOAL) stands alone; a folder called like a target is DIR=$(firstword $(filter-out $(GOAL) $(WORDS),$(MAKECMDGOALS))))
    endif
  endif

  ifneq (,$(WORDS))
    # Phony, or a file called 4 would be "up to date".
    .PHONY: $(WORDS)
    $(sort $(WORDS)): ; @:
  endif
endif

LAB := cargo run -q -p lab --

help:
	@echo 'Run a stage'
	@echo '  make run-stage N    on a terminal you are in the client, else a script plays'
	@echo '  make server N       the server of stage N alone, and'
	@echo '  make client N       a client, for two terminals'
	@echo '  make admin N        accounts and roles of stages 6 to 8'
	@echo
	@echo 'Learn from it'
	@echo '  make wire N         as run-stage, and every byte that passes'
	@echo '  make diff N [PART]  the parts of stage N, what they change, and why;'
	@echo '                      make diff A B compares two stages'
	@echo '  make start N [PART] a copy in which stage N, or a part, is yours to write'
	@echo '  make watch N [PART] the checks of stage N again, each time you save'
	@echo '  make next           in such a copy: how far you are, and what is next'
	@echo '  make hint [CHECK]   in such a copy: a hint, each time a step further'
	@echo '  make hunt N         write scripts that wrong servers of stage N (2 to 8) fail'
	@echo '  make cluster N      three servers of stage 7 or 8 as one chat; then, in'
	@echo '                      another terminal, ARGS=--kill kills one of them'
	@echo '  make chaos N        break such a cluster by faults from a seed, and check'
	@echo '                      that no promise is broken'
	@echo '  make attack N       try to break stage N; ARGS=bit-flip is one attack'
	@echo
	@echo 'Check and measure'
	@echo '  make check N [PART] the graded checks of stage N, or up to a part'
	@echo '  make load N         load the server of stage N (2 to 5) and measure'
	@echo '  make grade DIR      the checks against a submission, with points'
	@echo
	@echo 'The course itself'
	@echo '  make test           all tests of the eight stages'
	@echo '  make test-course    the tests of the course: tools, budgets, starting points'
	@echo '  make book           the book as pages for a browser, in target/book'
	@echo '  make doctor         what is missing on this machine, and how to install it'
	@echo '  make clean          remove everything that was built'
	@echo
	@echo 'Options: ARGS="--help" behind server, client, admin, wire, load, attack and'
	@echo 'grade lists them; make server 4 ARGS="--rate 5" sets one.'
	@echo
	@echo 'N is a stage:'
	@tr -d '\r' < $(REGISTRY) | sed -n -e '/^\[\[stage\.part/,/^\[\[stage\]\]/d' -e 's/^number = /  /p' -e 's/^title = "\(.*\)"/\1/p' | paste - -

run-stage: .lab
	@$(LAB) run $(STAGE) $(ARGS)

server client admin: .lab
	@$(LAB) $@ $(STAGE) -- $(ARGS)

check watch: .lab
	@$(LAB) $@ $(STAGE) $(PART) -- $(ARGS)

next: .lab
	@$(LAB) next

hint: .lab
	@$(LAB) hint $(CHECK)

# `load` is not the first: a line that begins with it is a directive of make's.
wire attack hunt load cluster chaos: .lab
	@$(LAB) $@ $(STAGE) $(ARGS)

grade: .lab
	@$(LAB) grade $(FOLDER) $(ARGS)

diff: .lab
	@$(LAB) diff $(STAGE) $(PART) $(OTHER) $(ARGS)

start: .lab
	@$(LAB) start $(STAGE) $(PART) $(FOLDER) $(ARGS)

test: .lab
	@$(LAB) test -- $(ARGS)

# What is ignored in `make test`: the reason says "make test-course".
test-course: .toolchain
	cargo test --workspace --no-fail-fast -- --ignored $(ARGS)
	@if cargo fuzz --version >/dev/null 2>&1; then common/fuzz/run; else \
	  echo "The fuzz targets were left out: cargo-fuzz is not installed (cargo install cargo-fuzz)"; fi

# The version is pinned: another one may give the book another look. Without a network a
# program that is there can be named: MDBOOK=/usr/bin/mdbook make book.
MDBOOK_VERSION := 0.4.52
MDBOOK ?= target/tools/bin/mdbook
book: .toolchain
	@if [ "$(MDBOOK)" = target/tools/bin/mdbook ] && \
	    [ "$$($(MDBOOK) --version 2>/dev/null)" != "mdbook v$(MDBOOK_VERSION)" ]; then \
	  echo "Building mdBook $(MDBOOK_VERSION) into target/tools; once, a minute or several"; \
	  cargo install --locked --root target/tools --no-default-features --features search "mdbook@$(MDBOOK_VERSION)" || { \
	    echo 'error: mdBook cannot be built here, most likely since there is no network.' >&2; \
	    echo '       The book can be read as it is, from docs/src/introduction.md on; or name an' >&2; \
	    echo '       mdBook that is installed: MDBOOK=mdbook make book' >&2; exit 1; }; \
	fi
	@"$(MDBOOK)" build docs --dest-dir "$(CURDIR)/target/book"
	@echo "The book is $(CURDIR)/target/book/index.html"

doctor: .lab
	@$(LAB) doctor

clean:
	cargo clean

# The stage's programs are built beside the tool, so that both cores have work until the
# end. Not stage 8's: its cryptography wants another feature of a crate that the tool is
# built on, so the tool would be built anew each time. Not where a user's own programs run.
BESIDE := $(if $(filter run-stage server client,$(GOAL)),$(if $(filter-out 8,$(STAGE)),$(if \
  $(STAGE$(STAGE)_SERVER)$(STAGE$(STAGE)_CLIENT),,$(patsubst %/Cargo.toml,-p %,$(wildcard stage$(STAGE)-*/Cargo.toml)))))

# Not in silence: the first build takes some seconds, as does one after a change in
# common. Whether there is something to build only cargo can tell, so the words come
# after two seconds, and then a dot for each further two.
.lab: .toolchain
	@{ sleep 2 2>/dev/null; printf 'Building what this needs, the first time or after a change ' >&2; \
	   trap 'echo >&2; exit' TERM; \
	   while { sleep 2 2>/dev/null & wait $$!; }; do printf . >&2; done; } >/dev/null & dots=$$!; \
	cargo build -q -p lab $(BESIDE); built=$$?; kill $$dots 2>/dev/null; wait $$dots 2>/dev/null; \
	[ $$built = 0 ] || { \
	  echo "error: $(if $(BESIDE),stage $(STAGE),the course's tool) does not build: the compiler's message is above" >&2; \
	  exit $$built; }

# A word that is no target.
.DEFAULT:
	$(error no target '$@'; `make help` lists them)

.toolchain:
	@command -v cargo >/dev/null || { \
	  echo "error: cargo is missing: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  echo 'error: a C compiler is missing, and Rust links with it; on Debian: sudo apt-get install build-essential' >&2; exit 1; }
	@needed=$$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml); have=$$(rustc --version | cut -d ' ' -f 2); \
	[ "$$(printf '%s\n' "$$needed" "$$have" | sort -V | head -n 1)" = "$$needed" ] || { \
	  echo "error: Rust $$have is too old, the course needs $$needed or newer: rustup update stable" >&2; exit 1; }
