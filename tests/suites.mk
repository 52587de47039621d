# tests/suites.mk -- the suites of the check: each is a target of its name, which tests/suite runs when a processor is free and what
# it needs is built. tests/run calls this from the root of the repository, with B=DIR and ONLY='PATTERN...'.
B    ?= build
P    := $(B)/cuda-proof
NVCC ?= nvcc
SUITE = @tests/suite $@

unit := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
# a test that names the threads' header is one for the thread sanitizer
threaded := $(patsubst tests/unit/%.c,%,$(shell grep -l '"core/threads.h"' tests/unit/*.c))
tool := $(patsubst tests/%,%,$(wildcard tests/tool/*.bats $(if $(RN_FULL),tests/full/*.bats)))
all:
ifeq ($(shell command -v $(NVCC)),)
cuda := cuda/all
cuda/all: ; $(SUITE) echo '$(if $(RN_CUDA),not ok 1 - nvcc is not here,ok 1 - all # SKIP nvcc is not here)'
else
include tests/cuda/suites.mk
endif

suites := $(unit:%=unit/%) layers $(cuda) $(tool) $(unit:%=asan/%) $(threaded:%=tsan/%)
# what takes longest begins first, so that nothing long is left over for the end
first := $(cuda_first) tsan/device tool/resume.bats unit/net asan/net asan/inspect
all: $(filter $(or $(ONLY),%),$(first) $(filter-out $(first),$(suites)))

layers:               ;              $(SUITE) tests/layers
$(unit:%=unit/%):     unit/%: built; $(SUITE) $(B)/tests/$*
$(tool):              built;         $(SUITE) bats --tap tests/$@
$(unit:%=asan/%):     asan/%: asan;  $(SUITE) env RN_SANITIZED=1 build/asan/tests/$*
$(threaded:%=tsan/%): tsan/%: tsan;  $(SUITE) env RN_SANITIZED=1 build/tsan/tests/$*

# One make for each folder. They share the processors with the suites that run already.
SANITIZED = CFLAGS='$(1) -g -fno-omit-frame-pointer'
built:
	$(MAKE) B=$(B) all $(unit:%=$(B)/tests/%)
asan:
	$(MAKE) B=build/asan $(call SANITIZED,-O1) EXTRA='-fsanitize=address,undefined -fno-sanitize-recover=all' $(unit:%=build/asan/tests/%)
tsan:
	$(MAKE) B=build/tsan $(call SANITIZED,-O2) EXTRA='-fsanitize=thread' $(threaded:%=build/tsan/tests/%)

unexport B ONLY # of this make: not for those that a test runs
.PHONY: all built asan tsan $(suites)
