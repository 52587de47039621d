# The CUDA device as a plug-in, $(B)/rn-cuda.so, where nvcc is: CUDA=its toolkit (made from nvcc's place).
# Only rn_device_cuda is seen from outside. The few helpers of lib/core and lib/device that it uses are compiled in once more:
# so the tools need not export anything, and the plug-in loads into any program that has the same device.h.
CC     ?= cc
NVCC   ?= nvcc
CFLAGS ?= -O3 -g
B      ?= build
CUDA   ?= $(patsubst %/bin/nvcc,%,$(realpath $(shell command -v $(NVCC))))
CUDA_ARCHS ?= 80 90 120
WARN   := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers

KERNELS := $(wildcard lib/device/cuda/*.cu)
HOST    := $(wildcard lib/device/cuda/*.c)
SHARED  := lib/core/err.c lib/core/mem.c lib/device/check.c
FATBINS := $(KERNELS:%.cu=$(B)/%.fatbin)
OBJ     := $(KERNELS:%=$(B)/%.o) $(HOST:%.c=$(B)/%.o) $(SHARED:%.c=$(B)/pic/%.o)
TABLE   := $(B)/gen/cuda_table.h

COMPILE = $(CC) -Ilib -I$(B)/gen -isystem $(CUDA)/include -D_GNU_SOURCE -DRN_CUDA_FATBINS='"$(B)/lib/device/cuda"' $(CPPFLAGS) $(CFLAGS) \
    -std=c11 -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN) $(EXTRA) -MMD -MP -c

plugin: $(if $(shell command -v $(NVCC)),$(B)/rn-cuda.so)
$(B)/rn-cuda.so: $(OBJ)
	$(CC) $(CFLAGS) $(EXTRA) -shared -pthread -Wl,-z,defs -o $@ $^ -ldl -lm
$(TABLE): FORCE
	@mkdir -p $(@D)
	@lib/device/cuda/gen-table > $@.new && if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
# Registers that spill are an error (-warn-spills with -Werror). What each kernel takes goes to FILE.ptxas, for a test. The PTX
# lies in the fat binary uncompressed, for tests that execute it.
$(B)/%.fatbin: %.cu lib/device/cuda/kernel.h
	@mkdir -p $(@D)
	$(NVCC) -fatbin --compress-mode=none -O3 -Ilib $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$a,code=sm_$a) \
	    -gencode arch=compute_75,code=compute_75 -Xptxas -v,-warn-spills,-Werror -Werror all-warnings $< -o $@ 2> $(@:.fatbin=.ptxas) || { cat $(@:.fatbin=.ptxas) >&2; exit 1; }
$(B)/lib/device/cuda/%.cu.o: lib/device/cuda/%.cu $(TABLE)
	@mkdir -p $(@D)
	$(COMPILE) -x c $< -o $@
$(B)/lib/device/cuda/%.o: lib/device/cuda/%.c $(TABLE)
	@mkdir -p $(@D)
	$(COMPILE) $< -o $@
$(B)/lib/device/cuda/images.o: $(FATBINS)
$(B)/pic/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) $< -o $@

.SECONDARY:
.DELETE_ON_ERROR:
-include $(OBJ:.o=.d)
.PHONY: FORCE plugin
