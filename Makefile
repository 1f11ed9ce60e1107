# Coven: set-up, native build, tests, demo, bench, installation. `make help` lists the targets.
PYTHON ?= /usr/bin/python3
VENV   := .venv
PY     := $(VENV)/bin/python

# ---------------------------------------------------------------- native build
# B is where products go: another B is another build of the same sources (see native-asan).
B      ?= build
CFLAGS ?= -O2 -g
WARN   := -Wall -Wextra -Werror
# The same bytes in whatever folder; debuggers find sources from the checkout's own.
HERE   := '-ffile-prefix-map=$(CURDIR)=.'
BASE   := -std=gnu11 $(WARN) -fPIC -I. -MMD -MP $(HERE)
CLANG  ?= clang
PYINC  := $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
PYEXT  := $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))' 2>/dev/null)

FORWARDER := coven/stages.c $(wildcard itf/*.c nshp/*.c) \
	$(filter-out %.bpf.c vns/open_%.c,$(wildcard vns/*.c))
HOST      := $(wildcard pps/host/*.c)
HOST_C    := $(HOST) $(wildcard pps/c/*.c)
HOST_EXEC := $(HOST) $(wildcard pps/exec/*.c)
VNFC_PY   := $(HOST) $(wildcard pps/python/*.c)
OPENERS   := $(wildcard vns/open_*.c)
CAPTURE   := $(wildcard agents/capture/*.c)
# Java and JavaScript are there when the JDK, and the headers of Node.js, are: nobody else needs them.
JAVAC     := $(or $(wildcard $(JAVA_HOME)/bin/javac),$(shell command -v javac 2>/dev/null))
JDK       := $(patsubst %/bin/javac,%,$(realpath $(JAVAC)))
NODE      := $(realpath $(shell command -v node 2>/dev/null || command -v nodejs 2>/dev/null))
NODE_API  := $(firstword $(wildcard $(NODE:%/bin/node=%/include/node/node_api.h) \
	/usr/include/node/node_api.h /usr/include/nodejs/src/node_api.h))
SDK_JAVA  := $(wildcard pps/sdk/java/coven/*.java)
MANAGED   := $(if $(wildcard $(JDK)/include/jni.h),$(B)/libcoven-java.so $(B)/coven-java.jar) \
	$(if $(NODE_API),$(B)/coven_javascript.node)
BPF       := $(wildcard vns/*.bpf.c)
FILTERS   := host debug build reduced unmetered unmetered-tcp identity

objects   = $(patsubst %.c,$(B)/obj/%.o,$(1))
# The product appears whole or not at all: programs that run the old one keep it.
link      = $(CC) $(CFLAGS) $(1) -o $@.new $(filter %.o,$^) $(2) && mv -f $@.new $@

.PHONY: native native-asan managed
native: $(B)/coven-forwarder $(B)/coven-host-c $(B)/coven-host-exec $(B)/_vnfc$(PYEXT) \
	$(B)/libcoven-vns.so $(B)/coven-launch $(B)/coven-capture \
	$(patsubst vns/%.c,$(B)/%.o,$(BPF)) $(patsubst %,$(B)/seccomp-%.bpf,$(FILTERS))
	@# An optional language that cannot be built stops nothing; what is left of it would be of another version.
	@test -z "$(MANAGED)" || $(MAKE) --no-print-directory -k managed || for product in $(MANAGED); do \
		$(MAKE) -q $$product 2>/dev/null || { rm -f $$product; \
		echo "native: $$product cannot be built (see above): its language is left out" >&2; }; done
managed: $(MANAGED)
	@:

$(B)/coven-forwarder: $(call objects,$(FORWARDER))
	$(call link,,-lpcap)
$(B)/coven-host-c: $(call objects,$(HOST_C))
	$(call link,-rdynamic,-ldl -lcjson -lm)
$(B)/coven-host-exec: $(call objects,$(HOST_EXEC))
	$(call link,,-lcjson -lm -lpthread)
$(B)/_vnfc$(PYEXT): $(call objects,$(VNFC_PY))
	$(call link,-shared,-lcjson -lm)
$(B)/libcoven-java.so: $(call objects,$(HOST) $(wildcard pps/managed/*.c) pps/java/host.c)
	$(call link,-shared,-lcjson)
$(B)/coven-java.jar: $(SDK_JAVA) Makefile
	@rm -rf $(B)/obj/java && mkdir -p $(B)/obj/java
	@# Java reads names of files, this folder's above all, as the locale says
	LC_ALL=C.UTF-8 $(JDK)/bin/javac -encoding UTF-8 -Xlint:all -Werror -g -d $(B)/obj/java $(SDK_JAVA)
	cd $(B)/obj/java && find . -name '*.class' -exec touch -d 1980-01-02T00:00:00Z {} + && TZ=UTC LC_ALL=C.UTF-8 \
		$(JDK)/bin/jar --create --no-manifest --file ../../$(@F).new $$(find . -name '*.class' | LC_ALL=C sort)
	mv -f $@.new $@
$(B)/coven_javascript.node: $(call objects,$(HOST) $(wildcard pps/managed/*.c) pps/javascript/host.c)
	$(call link,-shared,-lcjson)
$(B)/libcoven-vns.so: $(call objects,$(OPENERS))
	$(call link,-shared,-lbpf)
$(B)/make-seccomp: $(call objects,pps/confine/seccomp.c)
	$(call link,,-lseccomp)
$(B)/coven-capture: $(call objects,$(CAPTURE))
	$(call link,,)
$(B)/coven-launch: $(call objects,pps/confine/launch.c)
	$(call link,,)
$(B)/seccomp-%.bpf: $(B)/make-seccomp
	$< $* > $@.new && mv -f $@.new $@
$(B)/%.bpf.o: vns/%.bpf.c Makefile
	@mkdir -p $(@D)
	$(CLANG) -O2 -g $(HERE) -Wall -target bpf -I. -I/usr/include/$(shell $(CC) -print-multiarch) -MMD -MP -c $< -o $@
$(B)/obj/pps/python/%.o: private BASE += -I$(PYINC)
$(B)/obj/pps/java/%.o: private BASE += -I$(JDK)/include -I$(JDK)/include/linux
$(B)/obj/pps/javascript/%.o: private BASE += -I$(dir $(NODE_API))
$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) -c $< -o $@
-include $(shell find $(B) -maxdepth 4 -type f -name '*.d' 2>/dev/null)

RIG := $(addprefix $(B)/bench/,generate sink xskfwd tpfwd bench.bpf.o)
.PHONY: rig
rig: $(RIG)
$(B)/bench/%.bpf.o: bench/src/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) -O2 -g $(HERE) -Wall -target bpf -I/usr/include/$(shell $(CC) -print-multiarch) -MMD -MP -c $< -o $@
$(B)/bench/%: bench/src/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O2 -march=native -MMD -MP -o $@ $< -lxdp -lbpf

$(B)/bench/nsh: bench/src/nsh.c tests/rigs/nsh_bed.h $(wildcard nshp/*.c nshp/*.h itf/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O2 -I. -o $@ bench/src/nsh.c $(wildcard nshp/*.c)

native-asan: native  ## the same with AddressSanitizer and UBSan, in build/asan
	$(MAKE) native B=build/asan \
		CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
	@# Python, Java and Node.js, which are without the sanitizers' runtime, cannot load a library that needs it
	for library in $(filter %.so %.node,$(B)/_vnfc$(PYEXT) $(B)/libcoven-vns.so $(MANAGED)); do \
		test ! -e $$library || cp -f $$library build/asan/; done

# ---------------------------------------------------------------- set-up, tests, demo, bench
.PHONY: help setup setup-languages setup-dev setup-long test test-long test-fresh demo bench bench-quick check format install uninstall clean distclean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 16

setup:  ## packages, .venv, native build: all that running needs (quick and offline the second time)
	@install/setup run
	@$(MAKE) --no-print-directory native
setup-languages:  ## setup, and what VNFCs in C++, Java and JavaScript need
	@install/setup languages
	@$(MAKE) --no-print-directory native
setup-dev:  ## setup-languages, and what only tests and checks need
	@install/setup dev
	@$(MAKE) --no-print-directory native
setup-long:  ## setup-dev, and what only long tests and bench need
	@install/setup long
	@$(MAKE) --no-print-directory native

test: setup-dev  ## every test, modest sizes (`make test T=tests/unit` runs a part)
	@$(PY) -m pytest -n auto $(T)
test-long: setup-long  ## every test, with the full figures
	@$(PY) -m pytest --long $(T)
test-fresh:  ## demo and test on a minimal Debian made for it (root, mmdebstrap)
	@install/fresh $(T)

demo: setup  ## a firewall deployed over REST filters real traffic between two hosts
	@$(PY) -m coven.lab.demo

bench: setup-long rig  ## ratios against bare forwarders, and the case study; results in build/bench
	@$(PY) -m bench.run --write
	@$(PY) -m bench.case_study --write
bench-quick: setup-long rig  ## the same in about five minutes
	@$(PY) -m bench.run --quick
	@$(PY) -m bench.case_study --quick

C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null | grep -v ^docs/labs/)
check: setup-dev  ## ruff, mypy, clang-format, who imports whom
	$(PY) -m ruff check .
	$(PY) -m mypy
	clang-format --dry-run -Werror $(C_FILES)
	$(PY) -m pytest -q tests/unit/test_rooms.py
format: setup-dev  ## mend what check says about layout
	$(PY) -m ruff check --fix .
	clang-format -i $(C_FILES)

# ---------------------------------------------------------------- installation
DESTDIR ?=
PREFIX  ?= /usr/local
.PHONY: bundle image test-image test-arm64
bundle: setup  ## one archive that installs in a room without network, for this release and architecture
	@$(PY) install/bundle.py

image:  ## the appliance as a disk that boots anywhere, in build/image (IMAGE="--flavour full --oci" and more: --help)
	@$(if $(filter full,$(subst =, ,$(IMAGE))),install/setup languages)
	@install/setup image
	@$(MAKE) --no-print-directory native
	@$(PY) install/image/build.py $(IMAGE)
test-image: setup-dev image  ## the image booted in qemu without KVM, a firewall in it, its power cut (root)
	@# what was made last in build/image, of whichever flavour
	@image=$$(grep '\.qcow2$$' build/image/made) && COVEN_IMAGE=$$image \
		$(PY) -m pytest -v -n 2 --dist loadfile $(T) tests/integration/image

# The C code's unit tests with arm64 programs, run under qemu-user-static.
ARM64       := build/arm64
ARM64_TESTS := $(foreach t,packet pcap forwarder trace host_c host_timers,$(wildcard tests/unit/*/test_$(t).py))
ARM64_BUILT := $(patsubst %,$(ARM64)/native/%,coven-forwarder coven-host-c libcoven-vns.so make-seccomp coven-launch)
test-arm64: setup-long  ## the C code cross-built for arm64, its unit tests under emulation
	@install/arm64 root && install/arm64 tools
	@$(MAKE) --no-print-directory B=$(ARM64)/native CC=$(CURDIR)/$(ARM64)/bin/gcc $(ARM64_BUILT)
	@PATH="$(CURDIR)/$(ARM64)/bin:$$PATH" COVEN_BUILD=$(CURDIR)/$(ARM64)/native \
		$(PY) -m pytest $(ARM64_TESTS)

install: setup  ## into $(DESTDIR)$(PREFIX), with a systemd unit, /etc/coven, /var/lib/coven
	@$(PY) install/install.py install --destdir '$(DESTDIR)' --prefix '$(PREFIX)'
uninstall:  ## takes away what install brought; /etc/coven and /var/lib/coven stay
	@$(PYTHON) install/install.py uninstall --destdir '$(DESTDIR)' --prefix '$(PREFIX)'

clean:  ## products of the build
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
distclean: clean  ## and .venv
	rm -rf .venv *.egg-info
