# Writebehind: `make help` lists what can be made.
#
#   BUILD=dir          where everything is built (default build)
#   CC=clang           the other compiler
#   SANITIZE=…         address,undefined or thread: builds into $(BUILD)-<name>
#   DEVELOPER=0        without -Werror (packagers)
#   V=1                show whole commands

BUILD ?= build
CC ?= cc
DEVELOPER ?= 1
PREFIX ?= /usr/local
OPT ?= -O2
FUZZ_SECONDS ?= 60
RUNS ?= 20
SEED ?=
SANITIZE ?=

ifeq ($(SANITIZE),address,undefined)
  OUT := $(BUILD)-asan
  SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
    -DWB_ADDRESS_SANITIZER
else ifeq ($(SANITIZE),thread)
  OUT := $(BUILD)-tsan
  SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer
  SHIM := tests/unit/tsan_c11.c
else ifeq ($(SANITIZE),)
  OUT := $(BUILD)
else
  $(error SANITIZE=$(SANITIZE): use address,undefined or thread)
endif

V ?= 0
ifeq ($(V),0)
  Q := @
  say = @printf '  %-5s %s\n' '$(1)' '$(patsubst $(CURDIR)/%,%,$@)'
endif

PACKAGES := rdkafka libcurl libcrypto jansson libmicrohttpd gnutls zlib
CPPFLAGS += -D_GNU_SOURCE -I. $(shell pkg-config --cflags $(PACKAGES))
CFLAGS ?= -g
CFLAGS += -std=c11 $(OPT) -fstack-protector-strong -D_FORTIFY_SOURCE=2 -pthread $(SANFLAGS) \
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla \
  -Wformat=2 -Wundef -Wno-format-nonliteral
ifeq ($(DEVELOPER),1)
  CFLAGS += -Werror
endif
ifneq ($(SANFLAGS),)
  CFLAGS += -U_FORTIFY_SOURCE
endif
LDLIBS := $(shell pkg-config --libs $(PACKAGES)) -lm
# librdkafka allocates a record in one thread and ours frees it in another, which costs the C library's allocator locks.
# Used where it is installed; a sanitizer has its own.
ifeq ($(SANITIZE),)
  ALLOCATOR := $(shell pkg-config --libs libtcmalloc_minimal 2>/dev/null)
endif
LDFLAGS += -pthread $(SANFLAGS) -Wl,-z,relro,-z,now

# A folder is a program: its objects without the mains go into one archive, which its tests link too.
PROGRAM_DIRS := producer consumer deadletter sandbox
COMMON_SRC := $(wildcard common/*/*.c)
COMMON_LIB := $(OUT)/lib/common.a
dir_src = $(filter-out %main.c,$(wildcard $(1)/*.c))
obj = $(patsubst %.c,$(OUT)/obj/%.o,$(1))

BIN_writebehind-producer := producer/main.c
BIN_writebehind-publish := producer/publish_main.c
BIN_writebehind-consumer := consumer/main.c
BIN_writebehind-deadletter := deadletter/main.c
BIN_writebehind-sandbox := sandbox/main.c
BIN_report-handler := examples/report/main.c
ALLOCATOR_writebehind-consumer = $(ALLOCATOR)
ALLOCATOR_writebehind-producer = $(ALLOCATOR)
ALLOCATOR_writebehind-publish = $(ALLOCATOR)
ALLOCATOR_writebehind-deadletter = $(ALLOCATOR)
PROGRAMS := writebehind-producer writebehind-publish writebehind-consumer writebehind-deadletter writebehind-sandbox
BINS := $(addprefix $(OUT)/bin/,$(PROGRAMS) report-handler)

UNIT_SRC := $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c)
UNIT_BINS := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(UNIT_SRC))
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c tests/bench/tool_*.c)
BENCH_BINS := $(patsubst tests/bench/%.c,$(OUT)/bench/%,$(BENCH_SRC))

.PHONY: all demo check test lint fmt fmt-check sanitize fuzz bench bench-sweep docs install clean help unit system soak programs
.DELETE_ON_ERROR:
.SECONDARY:

all: programs ## build every program into $(BUILD)/bin
programs: $(BINS)

$(OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(COMMON_LIB): $(call obj,$(COMMON_SRC))
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

define program_archive
$(OUT)/lib/$(1).a: $(call obj,$(call dir_src,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR)
	$(Q)$(AR) rcs $$@ $$^
endef
$(foreach d,$(PROGRAM_DIRS) examples/report,$(eval $(call program_archive,$(d))))

define program_link
$(OUT)/bin/$(1): $(call obj,$(BIN_$(1))) $(OUT)/lib/$(patsubst %/,%,$(dir $(BIN_$(1)))).a $(COMMON_LIB) $(call obj,$(SHIM))
	@mkdir -p $$(@D)
	$$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $$@ $$^ $$(ALLOCATOR_$(1)) $$(LDLIBS)
endef
$(foreach p,$(PROGRAMS) report-handler,$(eval $(call program_link,$(p))))

# A unit test links the archive of the folder that it mirrors, and common; test_X also what stands beside it as X_*.c.
.SECONDEXPANSION:
unit_helpers = $(call obj,$(wildcard tests/unit/$(dir $(1))$(patsubst test_%,%,$(notdir $(1)))_*.c))
unit_archive = $(foreach d,$(PROGRAM_DIRS),$(if $(filter $(d)/%,$(1)),$(OUT)/lib/$(d).a))
$(UNIT_BINS): $(OUT)/unit/%: $(OUT)/obj/tests/unit/%.o $$(call unit_helpers,$$*) $$(call unit_archive,$$*) $(COMMON_LIB) $(call obj,$(SHIM))
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

unit: $(UNIT_BINS) ## build and run the unit tests
	@sh tests/run_unit.sh $(OUT)

check: unit lint ## unit tests and lint: for every commit

test: all unit lint system ## everything: for every push
	@sh tests/summary.sh $(OUT)

system: all
	@sh tests/run_system.sh $(OUT)

soak: all ## the model test on a real Kafka: RUNS=N runs, from SEED=N on or at random
	@sh tests/run_soak.sh $(OUT) --runs $(RUNS) $(if $(SEED),--seed $(SEED))

lint: fmt-check ## layers, fences, headers, function sizes, generated pages, compose files
	@sh tests/lint/run.sh $(OUT)

fmt: ## format the C sources
	@sh tests/lint/format.sh --fix
fmt-check:
	@sh tests/lint/format.sh

sanitize: ## unit tests under ASan+UBSan and under TSan
	+$(MAKE) SANITIZE=address,undefined unit
	+$(MAKE) SANITIZE=thread unit

fuzz: ## every fuzzer for FUZZ_SECONDS each
	@BUILD=$(BUILD) sh tests/fuzz/run.sh $(FUZZ_SECONDS)

$(BENCH_BINS): $(OUT)/bench/%: $(OUT)/obj/tests/bench/%.o $(OUT)/lib/consumer.a $(OUT)/lib/producer.a $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(OUT)/bench/tool_tls: LDLIBS += $(shell pkg-config --libs libssl)
bench: all $(BENCH_BINS) ## measure; one JSON object a line
	@sh tests/bench/run.sh $(OUT)

bench-sweep: all $(BENCH_BINS) ## measure the data of docs/PERFORMANCE.md and draw its pictures
	@WB_BUILD=$(OUT) .venv/bin/python tests/bench/sweep.py docs/performance/sweep.csv
	@python3 docs/performance.py

demo: all ## the whole story on this machine: sandbox, producer, consumer, dead letters, ledger
	@BUILD=$(OUT) KEEP=$(KEEP) python3 examples/demo.py

docs: all ## generate docs/CONFIGURATION.md from the option tables
	@sh docs/generate.sh $(OUT) docs/CONFIGURATION.md

install: all ## install the programs under $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix $(OUT)/bin/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
