# The device of several processes as a plug-in, $(B)/rn-ranks.so, where pkg-config finds an MPI: MPI=its package, or MPI=none.
# Only rn_device_ranks is seen from outside. The CPU device, and the helpers of lib/core that both use, are compiled in once more.
CC     ?= cc
CFLAGS ?= -O3 -g
B      ?= build
MPI    ?= $(firstword $(foreach m,mpi-c ompi-c mpich,$(shell pkg-config --exists $m 2>/dev/null && echo $m)))
WARN   := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers

SOURCES := $(wildcard lib/device/ranks/*.c lib/device/cpu/*.c) lib/core/err.c lib/core/isa.c lib/core/mem.c lib/core/threads.c lib/device/check.c
OBJ     := $(SOURCES:%.c=$(B)/ranks/%.o)

plugin: $(if $(filter-out none,$(MPI)),$(B)/rn-ranks.so)
$(B)/rn-ranks.so: $(OBJ)
	$(CC) $(CFLAGS) $(EXTRA) -shared -pthread -Wl,-z,defs -o $@ $^ $$(pkg-config --libs $(MPI)) -ldl -lm
# The flags are the Makefile's, so that the CPU device computes the same bits here.
$(B)/ranks/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -Ilib -I. -D_GNU_SOURCE $(CPPFLAGS) $(CFLAGS) -std=c11 -fPIC -fvisibility=hidden '-ffile-prefix-map=$(CURDIR)=.' -ffp-contract=off \
	    -fno-math-errno -fno-trapping-math -pthread $(WARN) $(EXTRA) \
	    $$(pkg-config --cflags openblas $(MPI) | sed 's/-I/-isystem /g') -MMD -MP -c $< -o $@

.SECONDARY:
.DELETE_ON_ERROR:
-include $(OBJ:.o=.d)
.PHONY: plugin
