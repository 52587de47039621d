# tests/suites.mk -- the suites of the check: each is a target of its name, which tests/suite runs when a processor is free. tests/run
# calls this from the root of the repository, with B=DIR and ONLY='PATTERN...': first to prepare, which builds what they need, then
# for all. At once make would begin with whatever can be started, and with what takes longest last.
B    ?= build
P    := $(B)/cuda-proof
NVCC ?= nvcc
SUITE = @tests/suite $@

unit := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
# a test that names the threads' header, or the flow's, is one for the thread sanitizer
threaded := $(patsubst tests/unit/%.c,%,$(shell grep -lE '"(core/threads|flow/flow)\.h"' tests/unit/*.c))
tool := $(patsubst tests/%,%,$(wildcard tests/tool/*.bats $(if $(RN_FULL),tests/full/*.bats)))
all prepare:
ifeq ($(shell command -v $(NVCC)),)
cuda := cuda/all
cuda/all: ; $(SUITE) echo '$(if $(RN_CUDA),not ok 1 - nvcc is not here,ok 1 - all # SKIP nvcc is not here)'
else
include tests/cuda/suites.mk
endif

suites := $(unit:%=unit/%) layers $(cuda) $(tool) $(unit:%=asan/%) $(threaded:%=tsan/%)
# what takes longest begins first, so that nothing long is left over for the end
first := $(cuda_first) tsan/device tool/resume.bats tool/pipe-train.bats tool/pipelines.bats unit/net asan/net asan/inspect
wanted := $(filter $(or $(ONLY),%),$(first) $(filter-out $(first),$(suites)))
all: $(wanted)
prepare: $(if $(filter-out layers asan/% tsan/%,$(wanted)),built) $(foreach s,asan tsan,$(if $(filter $s/%,$(wanted)),$s))
prepare: $(if $(filter cuda/%,$(wanted)),$(cuda_built))

layers:                      ; $(SUITE) tests/layers
$(unit:%=unit/%):     unit/%:; $(SUITE) $(B)/tests/$*
$(tool):                     ; $(SUITE) bats --tap $(if $(CASE),-f '$(CASE)') tests/$@
# No fake stack, which GCC's AddressSanitizer uses by default from version 13 on: GCC (12 and 14, at least) copies structs there
# with stores that are aligned as they would be on the real stack, and AVX-512's then fault (GCC's bug 110027 is of that kind).
$(unit:%=asan/%):     asan/%:; $(SUITE) env RN_SANITIZED=address ASAN_OPTIONS=detect_stack_use_after_return=0 build/asan/tests/$*
# Libraries that are not instrumented have locks that are not seen (GLib's): what they touch is not judged.
$(threaded:%=tsan/%): tsan/%:; $(SUITE) env RN_SANITIZED=thread TSAN_OPTIONS=ignore_noninstrumented_modules=1 build/tsan/tests/$*

# One make for each folder; they share the processors.
SANITIZED = CFLAGS='$(1) -g -fno-omit-frame-pointer'
built:
	$(MAKE) B=$(B) all $(unit:%=$(B)/tests/%)
asan:
	$(MAKE) B=build/asan $(call SANITIZED,-O1) EXTRA='-fsanitize=address,undefined -fno-sanitize-recover=all' $(unit:%=build/asan/tests/%)
tsan:
	$(MAKE) B=build/tsan $(call SANITIZED,-O2) EXTRA='-fsanitize=thread' $(threaded:%=build/tsan/tests/%)

unexport B ONLY # of this make: not for those that a test runs
.PHONY: all prepare built asan tsan $(suites)
