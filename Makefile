# pilotd. `make help` lists the targets. One Makefile, no recursion into folders; BUILD and SAN make
# another flavour of the same build (make BUILD=build/asan SAN=address,undefined unit).
BUILD ?= build
SAN   ?=
CC    ?= gcc
CXX   ?= g++
VENV  := build/venv

PKGS     := zlib libuv libcurl libnghttp2 openssl libcjson yaml-0.1 re2 libprotobuf-c libxxhash
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
# What runs is told in a word; make V=1 shows the commands.
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-8s %s\n' $(1) $(2))

ROOMS   := base proto replication pilotd/model pilotd/keyspace pilotd/mesh xds pilotd/translate
LIB_SRC := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
LIB_CC  := $(foreach room,$(ROOMS),$(wildcard $(room)/*.cc))
PROTOS  := $(shell find proto -name '*.proto' 2>/dev/null | sort)
DAEMON_SRC := $(wildcard pilotd/daemon/*.c)
CTL_SRC := $(wildcard pilotd/ctl/*.c)
TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
TEST_SUPPORT := $(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c))

GEN_C   := $(patsubst proto/%.proto,$(BUILD)/gen/%.pb-c.c,$(PROTOS))
GEN_H   := $(BUILD)/gen/pb_names.h
GEN_OBJ := $(GEN_C:.c=.o) $(BUILD)/gen/reflection_table.o
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(LIB_CC:%.cc=$(BUILD)/obj/%.o)
DAEMON_OBJ := $(DAEMON_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/gen/page_files.o
CTL_OBJ := $(CTL_SRC:%.c=$(BUILD)/obj/%.o)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help deps unit test test-asan test-tsan format lint layers size bench demo clean install deb \
    conformance docs
all: $(BUILD)/pilotd $(BUILD)/pilotctl ## build pilotd and pilotctl (the default)

include tests/tests.mk

help: ## print this
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what building and testing needs (Debian packages, a venv under build/)
	tests/tools/deps

# ---- generated code ----
$(BUILD)/gen/%.pb-c.c: proto/%.proto $(PROTOS)
	@mkdir -p $(dir $@)
	$(call say,PROTO,$<)
	$(Q)protoc-c -Iproto --c_out=$(BUILD)/gen $<
$(GEN_H): proto/pb_names.py $(GEN_C)
	$(Q)/usr/bin/python3 proto/pb_names.py proto $(BUILD)/gen $(PROTOS) > $@
# What reflection tells: all but etcd's, whom we ask ourselves; and of reflection the version that is not written down.
REFLECTED := $(patsubst proto/%,%,$(filter-out proto/etcd/%,$(PROTOS))) grpc/reflection/v1/reflection.proto
$(BUILD)/gen/reflection_table.c: xds/reflection_table.py $(PROTOS)
	@mkdir -p $(BUILD)/gen/grpc/reflection/v1
	$(Q)sed 's/^package grpc.reflection.v1alpha;/package grpc.reflection.v1;/' proto/grpc/reflection/v1alpha/reflection.proto \
	    > $(BUILD)/gen/grpc/reflection/v1/reflection.proto
	$(Q)protoc -Iproto -I$(BUILD)/gen --descriptor_set_out=$(@:.c=.pb) $(REFLECTED)
	$(Q)/usr/bin/python3 xds/reflection_table.py $(@:.c=.pb) > $@
PAGE := $(addprefix pilotd/daemon/page/,page.html page.css page.js)
$(BUILD)/gen/page_files.c: pilotd/daemon/page_files.py pilotd/daemon/page.h $(PAGE)
	@mkdir -p $(BUILD)/gen
	$(Q)/usr/bin/python3 pilotd/daemon/page_files.py $(PAGE) > $@
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c $(GEN_H)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<
# Generated headers count as system headers, which -MMD leaves out.
$(filter-out $(BUILD)/obj/base/% $(BUILD)/obj/pilotd/model/% $(BUILD)/obj/pilotd/mesh/%,\
  $(LIB_OBJ) $(DAEMON_OBJ) $(CTL_OBJ) $(TESTS:$(BUILD)/tests/%=$(BUILD)/obj/tests/unit/%.o) \
  $(TEST_TOOLS:$(BUILD)/tools/%=$(BUILD)/obj/tests/tools/%.o)): $(GEN_H)

# ---- our code ----
$(BUILD)/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(dir $@)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<
$(BUILD)/obj/%.o: %.cc
	@mkdir -p $(dir $@)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(CPPFLAGS) $(PKG_CFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/libpilot.a: $(LIB_OBJ) $(GEN_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(BUILD)/pilotd: $(DAEMON_OBJ) $(BUILD)/libpilot.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/pilotctl: $(CTL_OBJ) $(BUILD)/libpilot.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- care of the tree ----
OUR_CODE := $(foreach room,base proto replication xds pilotd/* tests/unit tests/tools tests/fuzz/* tests/sim,\
    $(wildcard $(room)/*.c $(room)/*.h $(room)/*.cc))

format: ## format the code (clang-format 14)
	clang-format-14 -i $(OUR_CODE)

lint: $(GEN_H) ## check the format, cppcheck, clang-tidy
	clang-format-14 --dry-run -Werror $(OUR_CODE)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --language=c --library=posix \
	    --enable=warning,portability --suppress=missingIncludeSystem --suppress=unknownMacro \
	    --suppress=uninitvar:pilotd/translate/memo.c -D_GNU_SOURCE -I. -Ipilotd $(LIB_SRC) $(DAEMON_SRC) $(CTL_SRC)
	clang-tidy-14 --quiet $(LIB_SRC) $(DAEMON_SRC) $(CTL_SRC) -- \
	    -std=gnu11 $(CPPFLAGS) $(PKG_CFLAGS) -Wno-unknown-warning-option

layers: ## check that dependencies between the rooms point one way
	@/usr/bin/python3 tests/tools/layers.py

size: ## check the limits of function and file size
	@/usr/bin/python3 tests/tools/size.py

demo: deps ## the whole path on this machine: etcd, 3 pilotd, HAProxy, Envoys (KEEP=1 leaves it up)
	@$(MAKE) --no-print-directory all
	@$(VENV)/bin/python deploy/demo/demo.py $(if $(KEEP),--keep)

.PHONY: screenshots
screenshots: deps ## take the pictures of the status page anew (docs/images/)
	@$(MAKE) --no-print-directory all
	@$(VENV)/bin/python tests/e2e/screenshots.py

PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
ZSH_FUNCTIONS ?= zsh/site-functions
COMPLETIONS := bash:bash-completion/completions/pilotctl zsh:$(ZSH_FUNCTIONS)/_pilotctl \
    fish:fish/vendor_completions.d/pilotctl.fish
UNITS := $(wildcard deploy/systemd/*.service deploy/systemd/*.socket)
install: all ## install programs, manual pages, completion, units under PREFIX (/usr/local), and a first configuration
	install -D -m 0755 $(BUILD)/pilotd $(DESTDIR)$(PREFIX)/bin/pilotd
	install -D -m 0755 $(BUILD)/pilotctl $(DESTDIR)$(PREFIX)/bin/pilotctl
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8
	$(BUILD)/pilotctl manual -o $(DESTDIR)$(PREFIX)/share/man/man1
	$(BUILD)/pilotd --help | awk -v version="$$($(BUILD)/pilotd --version)" -f deploy/pilotd.8.awk \
	    > $(DESTDIR)$(PREFIX)/share/man/man8/pilotd.8
	$(foreach c,$(COMPLETIONS),$(BUILD)/pilotctl completion $(firstword $(subst :, ,$c)) | \
	    install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/share/$(lastword $(subst :, ,$c)) &&) true
	install -D -m 0644 deploy/systemd/pilotd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/pilotd.conf
	$(foreach unit,$(UNITS),sed -e 's|/usr/bin/|$(PREFIX)/bin/|' -e 's|/etc/pilotd/|$(SYSCONFDIR)/pilotd/|' $(unit) | \
	    install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/$(notdir $(unit)) &&) true
	test -e $(DESTDIR)$(SYSCONFDIR)/pilotd/pilotd.yaml || \
	    install -D -m 0644 deploy/etc/pilotd.yaml $(DESTDIR)$(SYSCONFDIR)/pilotd/pilotd.yaml

deb: all ## make a Debian package of it, build/pilotd_VERSION_ARCH.deb
	@deploy/deb/build $(BUILD)

clean: ## remove what was built (not build/venv)
	rm -rf $(BUILD)/obj $(BUILD)/gen $(BUILD)/tests $(BUILD)/libpilot.a $(BUILD)/pilotd \
	    $(BUILD)/pilotctl build/asan build/tsan build/fuzz build/fuzz-coverage
