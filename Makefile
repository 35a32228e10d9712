# pilotd. `make help` lists the targets. One Makefile, no recursion into folders; BUILD and SAN make
# another flavour of the same build (make BUILD=build/asan SAN=address,undefined unit).
BUILD ?= build
SAN   ?=
CC    ?= gcc
CXX   ?= g++
VENV  := $(BUILD_ROOT)build/venv

PKGS     := libuv libcurl libnghttp2 openssl libcjson yaml-0.1 re2 libprotobuf-c libxxhash
OPT      ?= -O2
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wno-missing-field-initializers -Werror
HARDEN   := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fstack-clash-protection -fPIE
CPPFLAGS := -D_GNU_SOURCE -I. -Ipilotd -isystem $(BUILD)/gen
CFLAGS   := -std=gnu11 $(OPT) -g $(HARDEN) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
CXXFLAGS := -std=c++17 $(OPT) -g $(HARDEN) -Wall -Wextra -Werror $(if $(SAN),-fsanitize=$(SAN))
LDFLAGS  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDLIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread
ifneq ($(findstring undefined,$(SAN)),)
WARN += -Wno-error=format-overflow -Wno-error=format-truncation
endif

# ---- sources, room by room ----
ROOMS   := base proto replication pilotd/model pilotd/mesh xds pilotd/translate
LIB_SRC := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
LIB_CC  := $(foreach room,$(ROOMS),$(wildcard $(room)/*.cc))
PROTOS  := $(shell find proto -name '*.proto' 2>/dev/null | sort)
DAEMON_SRC := $(wildcard pilotd/daemon/*.c)
CTL_SRC := $(wildcard pilotd/ctl/*.c)
TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
TEST_SUPPORT := $(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c))

GEN_C   := $(patsubst proto/%.proto,$(BUILD)/gen/%.pb-c.c,$(PROTOS))
GEN_H   := $(BUILD)/gen/pb_names.h
GEN_OBJ := $(GEN_C:.c=.o)
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(LIB_CC:%.cc=$(BUILD)/obj/%.o)
DAEMON_OBJ := $(DAEMON_SRC:%.c=$(BUILD)/obj/%.o)
CTL_OBJ := $(CTL_SRC:%.c=$(BUILD)/obj/%.o)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help deps unit test test-asan test-tsan format lint layers size bench demo clean install
all: $(BUILD)/pilotd $(BUILD)/pilotctl ## build pilotd and pilotctl (the default)

include tests/tests.mk

help: ## print this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what building and testing needs (Debian packages, a venv under build/)
	tests/tools/deps

# ---- generated code ----
$(BUILD)/gen/%.pb-c.c: proto/%.proto $(PROTOS)
	@mkdir -p $(dir $@)
	protoc-c -Iproto --c_out=$(BUILD)/gen $<
$(GEN_H): proto/pb_names.py $(GEN_C)
	/usr/bin/python3 proto/pb_names.py $(BUILD)/gen $(GEN_C:.c=.h) > $@
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<

# ---- our code ----
$(BUILD)/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(dir $@)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<
$(BUILD)/obj/%.o: %.cc
	@mkdir -p $(dir $@)
	$(CXX) $(CPPFLAGS) $(PKG_CFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/libpilot.a: $(LIB_OBJ) $(GEN_OBJ)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/pilotd: $(DAEMON_OBJ) $(BUILD)/libpilot.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/pilotctl: $(CTL_OBJ) $(BUILD)/libpilot.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

clean: ## remove what was built (not build/venv)
	rm -rf $(BUILD)/obj $(BUILD)/gen $(BUILD)/tests $(BUILD)/*.a $(BUILD)/pilotd $(BUILD)/pilotctl build/asan build/tsan
