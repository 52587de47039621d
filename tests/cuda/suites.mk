# tests/cuda/suites.mk -- the part of tests/suites.mk that proves the CUDA device without a GPU, as far as that goes.
# Kernels are executed as nvcc wrote them (ptx.h); NVIDIA's libraries are doubles (double.h). Without RN_FULL: kernels compiled for
# the CPU in training and in golden networks but one, four of the nine, fewer failing calls, gpu-verify with one GPU.
golden := r50-ours r34 r18-ours r18-cbam $(if $(RN_FULL),r50-se r18-mul r18-none r18-se r18-spatial)
cuda := $(addprefix cuda/,operators networks optimise bugs training verify operators-sanitized $(golden:%=golden-%) selftest doubles coverage)
cuda_built := cuda-built
cuda_first := cuda/operators cuda/networks cuda/bugs cuda/training cuda/operators-sanitized cuda/golden-r18-ours

# where the real cuDNN is: it judges our descriptors
export RN_DOUBLE_CUDNN := $(shell ldconfig -p | sed -n 's/.*libcudnn\.so\.9 .*=> //p' | head -n 1)
$(if $(RN_DOUBLE_CUDNN),,$(info without libcudnn.so.9 the descriptors are checked by the double alone))

proof    := "$$BUILD"/cuda-proof# $(P), for tests that go elsewhere
doubles  := LD_LIBRARY_PATH=$(proof)/lib
compiled := RN_DOUBLE_KERNELS=$(proof)/shim.so
# eight images at a time in evaluation, or one, where a GPU has 64, or eight: each costs time here
export RN_CUDA_TOGETHER := 8
few      := $(if $(RN_FULL),,$(compiled))
cuda/operators:           run = env RN_CUDA_TOGETHER=16 $(doubles) RN_DOUBLE_COVERAGE=$(proof)/coverage.tsv $(P)/operators
cuda/operators-sanitized: run = env $(doubles) RN_DOUBLE_KERNELS=$(proof)/shim-sanitized.so $(P)/operators-sanitized --few
cuda/networks:            run = env $(doubles) $(compiled) RN_DOUBLE_GUARD=0 $(P)/networks
cuda/optimise:            run = env $(doubles) $(compiled) RN_DOUBLE_GUARD=0 RN_DOUBLE_RACES=0 RN_DOUBLE_GPUS=2 $(P)/optimise
cuda/training:            run = env $(few) DOUBLES=$(proof)/lib SHIM=$(proof)/shim.so bats --tap tests/cuda/training.bats
cuda/verify:              run = env DOUBLES=$(proof)/lib SHIM=$(proof)/shim.so bats --tap tests/cuda/verify.bats
cuda/bugs:                run = tests/cuda/bugs $(B)
cuda/selftest:            run = $(P)/selftest $(P)/selftest-75.ptx $(P)/selftest-80.ptx --bugs $(bugs:%=$(P)/selftest-%.ptx)
cuda/selftest:           bugs = BUG_MISSING_BARRIER BUG_OFF_BY_ONE WITH_SYNC
cuda/doubles:             run = env $(doubles) $(P)/double-test
cuda/coverage:            run = tests/cuda/coverage $(P)/coverage.tsv
cuda/golden-r18-ours:     few =
$(golden:%=cuda/golden-%): run = env $(doubles) $(few) RN_DOUBLE_RACES=0 RN_DOUBLE_GUARD=0 $(P)/golden $(@:cuda/golden-%=%)

$(cuda): ; $(SUITE) $(run)
cuda/coverage: cuda/operators
cuda-built: built
	$(MAKE) -f tests/cuda/Makefile B=$(B)
	$(MAKE) B=$(B) $(B)/bench/feed
	rm -f $(P)/coverage.tsv
.PHONY: cuda-built
