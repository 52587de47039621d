# RecycleNet: a dataflow pipeline of small tools. `make help` lists the targets.
# Elsewhere: B=DIR for the build, PREFIX= and DESTDIR= for the installation, EXTRA= for more compiler flags.
# Libraries are reached through pkg-config when something is built, never when this file is read.
CC      ?= cc
CFLAGS  ?= -O3 -g
PREFIX  ?= /usr/local
B       ?= build
NVCC    ?= nvcc
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers
CPPFLAGS += -Ilib -I. -D_GNU_SOURCE
# Where it is built is not to be seen in what is built: equal sources give equal bytes.
RNFLAGS := -std=c11 '-ffile-prefix-map=$(CURDIR)=.' -ffp-contract=off -fno-math-errno -fno-trapping-math -pthread $(WARN) $(EXTRA)
PACKAGES := vips libarchive libseccomp libxxhash libjpeg libpng libtiff-4 zlib jansson
PKG      = $$(cat $(B)/packages.$(1))

TOOLS   := $(patsubst tools/%.c,%,$(wildcard tools/rn-*.c))
PLUGGED := $(patsubst lib/device/%/plugin.mk,%,$(wildcard lib/device/*/plugin.mk))
LIB     := $(filter-out $(PLUGGED:%=lib/device/%/%),$(wildcard lib/*/*.c lib/*/*/*.c))
MAIN    := $(B)/tools/main.o $(B)/tools/progress.o $(B)/tools/versions.o $(B)/gen/options.o
TABLES  := $(B)/gen/arch.c $(B)/gen/attention.c $(B)/gen/augment.c $(B)/gen/device.c
OBJ     := $(LIB:%.c=$(B)/%.o) $(TABLES:%.c=%.o)
UNIT    := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*.c))

PIPELINES := $(filter-out demo examples %.sh,$(patsubst pipelines/%,%,$(wildcard pipelines/*)))
PAGES   := $(wildcard doc/*.[57] man/*.[57])
BENCH   := $(filter-out $(B)/bench/bench,$(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c)))

PAGED   := $(TOOLS) $(PIPELINES:%=rn-pipe-%)

all: $(TOOLS:%=$(B)/%) $(PAGED:%=$(B)/man/%.1) $(PAGED:%=$(B)/completions/%) $(B)/draw plugins share

# Debian calls msgpack-c's package msgpack, upstream msgpack-c. OpenBLAS is not linked but loaded (device/cpu/blas.c).
$(B)/packages.cflags $(B)/packages.libs &: Makefile
	@mkdir -p $(B)
	@m=msgpack-c; pkg-config --exists $$m || m=msgpack; \
	pkg-config --print-errors --exists 'vips >= 8.14' $(PACKAGES) openblas $$m || { echo "run ./bootstrap to install what is missing" >&2; exit 1; }; \
	pkg-config --cflags $(PACKAGES) openblas $$m | sed 's/-I/-isystem /g' > $(B)/packages.cflags; echo -Wl,--as-needed $$(pkg-config --libs $(PACKAGES) $$m) > $(B)/packages.libs

# The file name is the registration: lib/graph/arch/X.c defines rn_arch_X, lib/graph/attention/X.c rn_attention_X,
# lib/augment/transform/X.c rn_augment_X, lib/device/X/ rn_device_X (a plug-in where X has a plugin.mk); gen/options.c has the
# options of all tools/rn-X.c, to tell whose one is. Tables and archive follow files that come and go, on other branches too: the
# lists are made each time, and are new when they differ.
IF_CHANGED = mkdir -p $(@D) && $(1) > $@.new && if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(TABLES) $(B)/gen/options.c: $(B)/gen/%.c: FORCE
	@$(call IF_CHANGED,lib/gen-table $*)
$(B)/objects: FORCE
	@$(call IF_CHANGED,printf '%s\n' $(OBJ))

$(B)/%.o: %.c $(B)/packages.cflags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(RNFLAGS) $(call PKG,cflags) -MMD -MP -c $< -o $@
$(B)/gen/%.o: $(B)/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS) $(RNFLAGS) -MMD -MP -c $< -o $@
$(B)/librn.a: $(OBJ) $(B)/objects
	@rm -f $@
	ar rcs $@ $(OBJ)
$(B)/rn-%: $(B)/tools/rn-%.o $(MAIN) $(B)/librn.a $(B)/packages.libs
	$(CC) $(CFLAGS) $(EXTRA) -pthread -o $@ $(filter %.o %.a,$^) $(call PKG,libs) -lm -ldl
$(B)/tests/%: $(B)/tests/unit/%.o $(B)/tests/case.o $(B)/librn.a $(B)/packages.libs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(EXTRA) -pthread -o $@ $(filter %.o %.a,$^) $(call PKG,libs) $$(pkg-config --libs cmocka) -lm -ldl
$(B)/bench/%: $(B)/tests/bench/%.o $(B)/bench/bench.a $(B)/librn.a $(B)/packages.libs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(EXTRA) -pthread -o $@ $(filter %.o %.a,$^) $(call PKG,libs) -lm -ldl
$(B)/bench/bench.a: $(B)/tests/bench/bench.o $(MAIN)
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^
# A fuzzer needs the rooms that read foreign bytes, not the libraries of the others (tests/fuzz/run builds it with clang).
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/librn-fuzz.a $(B)/packages.libs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(EXTRA) -fsanitize=fuzzer -pthread -o $@ $(filter %.o %.a,$^) $(call PKG,libs) -lm -ldl
$(B)/librn-fuzz.a: $(filter $(addprefix $(B)/lib/,core/% stream/% exchange/% image/% graph/% augment/% split/% source/%),$(OBJ)) $(B)/gen/arch.o $(B)/gen/attention.o $(B)/gen/augment.o
	@rm -f $@
	ar rcs $@ $^
$(B)/draw: $(B)/data/draw.o $(B)/librn.a $(B)/packages.libs
	$(CC) $(CFLAGS) $(EXTRA) -pthread -o $@ $(filter %.o %.a,$^) $(call PKG,libs) -lm -ldl
# Programs find recipes and networks beside them, wherever the build is.
share:
	@mkdir -p $(B)
	@ln -sfn "$(CURDIR)/data" $(B)/share
# A device with a plugin.mk is a plug-in, made where what it needs is; the tools are the same without it.
plugins:
	@set -e; for p in $(PLUGGED); do $(MAKE) --no-print-directory -f lib/device/$$p/plugin.mk B=$(B) plugin; done
$(B)/man/rn-pipe-%.1: pipelines/% doc/pipe-page
	@mkdir -p $(@D)
	doc/pipe-page man $< > $@
$(B)/completions/rn-pipe-%: pipelines/% doc/pipe-page
	@mkdir -p $(@D)
	doc/pipe-page completion $< > $@
$(B)/man/%.1: $(B)/%
	@mkdir -p $(@D)
	$< --help-man > $@
$(B)/completions/%: $(B)/%
	@mkdir -p $(@D)
	$< --help-completion > $@

# A line behind ## is what `make help` says of a target.
help:                ## this list
	@sed -nE 's/^([a-z0-9%-]+)[a-z0-9 %-]*:.*[^#]## (.*)/\1\t\2/p' Makefile | while IFS='	' read -r name text; do printf '  make %-18s %s\n' "$$name" "$$text"; done
check: all           ## everything that must hold, in minutes
	@tests/run $(B)
test: all            ## some suites: T='unit/net tool/list.bats', with % for any end; CASE=PATTERN: some of their cases
	@test -n '$(T)' || { echo "make test: which suites? T=unit/net, T=tool/list.bats, T=asan/%" >&2; exit 2; }
	@CASE='$(CASE)' tests/run $(B) $(T)
check-full: all      ## check, and the long runs on real photos
	@RN_FULL=1 tests/run $(B)
check-cuda: all      ## what can be proved of the CUDA device without a GPU, whole (check has a part of it); needs nvcc
	@RN_FULL=1 tests/run $(B) 'cuda/%'
gpu-verify: all      ## the rest, on a machine with a GPU; writes build/gpu-report.md
	@tests/cuda/gpu-verify $(B)
fuzz:                ## each fuzzer for SECONDS=15; needs clang
	@tests/fuzz/run $(SECONDS)
check-python: all    ## what we write as Python's packages see it, and what they write; makes a virtual environment
	@tests/python/run $(B)
coverage:            ## which lines and branches the tests run; needs gcovr; T='unit/net' for some suites
	@tests/coverage $(T)
sbom: all            ## what the programs are linked with, as SPDX, on standard output; needs dpkg and jq
	@tests/sbom $(B)
asan tsan:           ## the unit tests under a sanitizer
	@tests/run $(B) '$@/%'
demo: all            ## photos by the network that comes with the program; then the whole line on drawn pictures
	@pipelines/demo
study-quick: all     ## the study's 431 predictions of the network that ships, again: TRASHNET=DIR
	@BUILD=$(abspath $(B)) data/study-quick '$(TRASHNET)'
bench: all $(BENCH)  ## figures, no verdict
	@BUILD=$(abspath $(B)) tests/bench/run
	@for b in memory augment; do echo; BUILD=$(abspath $(B)) $(B)/bench/$$b || exit; done
compile_commands.json: ## for clangd: needs bear
	bear -- $(MAKE) -B B=build/clangd all

# The published study: make row-resnet18-ours, make table1 .. table4, make tables; data/ablation.tsv names the rows.
TRASHNET = trashnet
WEIGHTS  = weights
OUT      = ablation
EPOCHS   = 100
BATCH    = 16
SIZE     = 224
SEEDS    = 1234
DEVICE   = cpu
PRECISION = fp32
LOOKS    =
JOBS     = 1
ABLATION = --trashnet=$(TRASHNET) --weights=$(WEIGHTS) --out=$(OUT) --epochs=$(EPOCHS) --batch=$(BATCH) --size=$(SIZE) --seeds='$(SEEDS)' --device=$(DEVICE) --precision=$(PRECISION) $(LOOKS:%=--looks='%')
row-%: all           ## a row of the published study: row-resnet18-ours ...; data/ablation.tsv names them
	pipelines/ablation $* $(ABLATION)
# SSHLOGIN: hosts that see this folder and OUT as they are here.
table1 table2 table3 table4: table%: all ## its rows, then the table with ours beside the published (table1 .. table4)
	@$(if $(SSHLOGIN),data/see-folders '$(SSHLOGIN)' '$(CURDIR)' '$(OUT)')
	grep -v '^#' data/ablation.tsv | awk -F'\t' '("," $$2 ",") ~ /,$*,/ { print $$1 }' | \
	    PARALLEL_SSH='ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3' \
	    parallel --will-cite --line-buffer -j $(JOBS) $(SSHLOGIN:%=-S % --retries 3 --wd '$(CURDIR)') --halt soon,fail=1 -q pipelines/ablation {} $(ABLATION)
	pipelines/tables $(OUT) $*
tables: table1 table2 table3 table4 ## all four, and a page of them
	pipelines/tables --html $(OUT)/tables.html $(OUT) 1 2 3 4

bench-scale: all $(B)/bench/step ## does cost grow as it should? LONG=1 for a wider range
	@BUILD=$(abspath $(B)) tests/bench/scale

# Ours beside PyTorch, ONNX Runtime and OpenVINO; tests/bench/peers/run says what ROUNDS, ONLY, TRASHNET, ALONE, PEERS are for.
bench-peers: all $(B)/bench/step ## ours beside PyTorch, ONNX Runtime and OpenVINO
	@BUILD=$(abspath $(B)) tests/bench/peers/run

# What tests/bench/augment.c is compared with; from then on `make bench` runs both.
bench-python: bench-environment ## rn-augment beside Albumentations
	@BUILD=$(abspath $(B)) $(B)/bench/augment
bench-environment: $(B)/bench/augment
	test -x $(B)/python/bin/python || python3 -m venv $(B)/python
	$(B)/python/bin/pip install -q 'albumentations==1.3.1' 'opencv-python-headless==4.11.0.86' 'numpy==1.26.4'

BIN  = $(DESTDIR)$(PREFIX)/bin
MAN  = $(DESTDIR)$(PREFIX)/share/man
PLUGINS = $(DESTDIR)$(PREFIX)/lib/recyclenet
SHARE = $(DESTDIR)$(PREFIX)/share/recyclenet
COMP = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
install: all         ## PREFIX=/usr/local, DESTDIR=
	install -d "$(BIN)" "$(MAN)/man1" "$(MAN)/man5" "$(MAN)/man7" "$(COMP)"
	set -e; for p in $(PLUGGED:%=$(B)/rn-%.so); do if [ -e $$p ]; then install -d "$(PLUGINS)" && install -m 755 $$p "$(PLUGINS)"; fi; done
	set -e; for t in $(TOOLS); do install -m 755 $(B)/$$t "$(BIN)/$$t"; done
	set -e; for t in $(PAGED); do \
	    install -m 644 $(B)/man/$$t.1 "$(MAN)/man1/$$t.1"; \
	    install -m 644 $(B)/completions/$$t "$(COMP)/$$t"; done
	set -e; for p in $(PIPELINES); do install -m 755 pipelines/$$p "$(BIN)/rn-pipe-$$p"; done
	install -d "$(SHARE)/examples" && install -m 755 pipelines/examples/* "$(SHARE)/examples" && chmod 644 "$(SHARE)"/examples/*.service
	install -d "$(SHARE)/split" && install -m 644 pipelines/*.sh data/ablation.tsv data/classes data/page.pl data/page.html "$(SHARE)" && install -m 644 data/split/* "$(SHARE)/split"
	install -d "$(SHARE)/recipes" && install -m 644 data/recipes/*.json "$(SHARE)/recipes"
	install -d "$(SHARE)/models" && install -m 644 data/models/* "$(SHARE)/models"
	install -d "$(SHARE)/recipes/train" && install -m 644 data/recipes/train/*.conf "$(SHARE)/recipes/train"
	set -e; for m in $(PAGES); do install -m 644 $$m "$(MAN)/man$${m##*.}/$${m##*/}"; done
uninstall:
	rm -rf "$(SHARE)" "$(PLUGINS)"
	for t in $(PAGED); do rm -f "$(BIN)/$$t" "$(MAN)/man1/$$t.1" "$(COMP)/$$t"; done
	for m in $(PAGES); do rm -f "$(MAN)/man$${m##*.}/$${m##*/}"; done

clean:
	rm -rf $(B)

.PHONY: FORCE help all plugins share check test asan tsan check-full check-cuda gpu-verify check-python fuzz coverage sbom demo study-quick bench bench-peers bench-scale bench-python bench-environment table1 table2 table3 table4 tables install uninstall clean
.SECONDARY:
.DELETE_ON_ERROR:
-include $(OBJ:.o=.d) $(BENCH:$(B)/bench/%=$(B)/tests/bench/%.d) $(B)/tests/bench/bench.d $(TOOLS:%=$(B)/tools/%.d) $(B)/tools/main.d $(B)/tools/progress.d $(B)/tools/versions.d $(UNIT:$(B)/tests/%=$(B)/tests/unit/%.d) $(B)/data/draw.d $(wildcard $(B)/tests/fuzz/*.d)
