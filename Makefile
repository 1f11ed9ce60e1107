# Native build only for now; set-up and tests are added beside it.
PY := .venv/bin/python
CFLAGS ?= -O2 -g
BASE := -std=gnu11 -Wall -Wextra -Werror -fPIC -I.
B ?= build
FORWARDER := coven/stages.c $(wildcard itf/*.c) $(filter-out %.bpf.c vns/open_%.c,$(wildcard vns/*.c)) $(wildcard nshp/*.c)
HEADERS := $(wildcard itf/*.h vns/*.h nshp/*.h pps/*.h pps/sdk/include/coven/*.h)
PYINC := $(shell $(PY) -c 'import sysconfig;print(sysconfig.get_path("include"))' 2>/dev/null)
PYEXT := $(shell $(PY) -c 'import sysconfig;print(sysconfig.get_config_var("EXT_SUFFIX"))' 2>/dev/null)

.PHONY: native
native: $(B)/coven-forwarder $(B)/coven-host-c $(B)/_vnfc$(PYEXT) $(B)/libcoven-vns.so $(B)/xdp.bpf.o $(B)/seccomp.bpf

$(B)/.made:
	mkdir -p $(B) && touch $@
$(B)/coven-forwarder: $(FORWARDER) $(HEADERS) $(B)/.made
	$(CC) $(BASE) $(CFLAGS) -o $@ $(FORWARDER) -lpcap
$(B)/coven-host-c: pps/host.c pps/c.c $(HEADERS) $(B)/.made
	$(CC) $(BASE) $(CFLAGS) -rdynamic -o $@ pps/host.c pps/c.c -ldl -lcjson -lm
$(B)/_vnfc$(PYEXT): pps/host.c pps/python.c $(wildcard pps/python_*.c) $(HEADERS) $(B)/.made
	$(CC) $(BASE) $(CFLAGS) -shared -I$(PYINC) -o $@ pps/host.c pps/python.c $(wildcard pps/python_*.c) -lcjson -lm
$(B)/libcoven-vns.so: $(wildcard vns/open_*.c) $(HEADERS) $(B)/.made
	$(CC) $(BASE) $(CFLAGS) -shared -o $@ $(wildcard vns/open_*.c) -lbpf
$(B)/xdp.bpf.o: vns/xdp.bpf.c $(B)/.made
	clang -O2 -g -Wall -target bpf -I/usr/include/$(shell $(CC) -print-multiarch) -c $< -o $@
$(B)/seccomp.bpf: pps/seccomp.c $(B)/.made
	$(CC) -std=gnu11 -Wall -Wextra -Werror $(CFLAGS) -o $(B)/make-seccomp pps/seccomp.c -lseccomp && $(B)/make-seccomp > $@
