# What a person types. Everything is built by CMake, in build/.
#
#   make demo    from nothing to R1-Zero in minutes; ends with a table, two hashes and a report
#   make paper   the whole of DeepSeek-R1 at small scale: every stage, the paper's table beside ours
#   make paper-killed   its shortened form, killed every few seconds and started again: the same hashes
#   make test    builds and runs every test
#   make bench   speed, as ratios to this machine's limits (and to PyTorch, where that is installed)
#   make ptx-check   what nvcc makes of the kernels, interpreted: the shortened demo by its hash, in ten minutes
#   make gpu-check   on a machine with an NVIDIA GPU: every comparison, the sanitizers, the demo, the benchmarks
#   make gpu-kit     the programs for it in one folder, for a machine without a compiler: KIT=gpu-kit make gpu-check there
#   make r1      the program alone: build/r1 --help

BUILD ?= build
JOBS ?= $(shell nproc)

# Builds one target; what the compiler says is shown only if it fails.
define build
	@echo "Building $(1) in $(BUILD)/ ..."
	@cmake -S . -B $(BUILD) $(CMAKE_OPTIONS) > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD) --target $(1) -j $(JOBS) > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
endef

.PHONY: demo paper paper-killed test bench ptx-check gpu-check gpu-kit r1 dependencies clean

r1: dependencies
	$(call build,r1)

demo: r1
	@R1=$(BUILD)/r1 sh scripts/demo.sh

paper: r1
	@R1=$(BUILD)/r1 sh scripts/r1.sh

paper-killed: r1
	@rm -rf runs/killed
	@R1=$(BUILD)/r1 sh scripts/r1_killed.sh runs/killed

# Half of the tests' time keeps one core busy: the others go on beside them. Threads that wait leave the core to them.
HALF = D6*,D9*,kernels*,gradient*,GRPO: the*,*killed at*,tokenizer*,tensor files*,mathematics*
test: export OMP_WAIT_POLICY = passive
test: dependencies
	$(call build,tests)
	@$(BUILD)/r1_test --test-case='$(HALF)' > $(BUILD)/half.log 2>&1 & half=$$!; \
	$(BUILD)/r1_test --test-case-exclude='$(HALF)'; others=$$?; \
	wait $$half; half=$$?; cat $(BUILD)/half.log; [ $$others = 0 ] && [ $$half = 0 ]
	@if [ -x $(BUILD)/r1_ptx_test ]; then $(BUILD)/r1_ptx_test; else echo "nvcc is not installed: what it makes of the kernels is not run"; fi

bench: dependencies
	$(call build,r1_bench)
	@$(BUILD)/r1_bench
	@if python3 -c "import torch" 2> /dev/null; then python3 bench/pytorch_step.py; else echo "PyTorch is not installed: not compared"; fi

ptx-check: dependencies
	$(call build,r1_ptx)
	@DEMO=short R1=$(BUILD)/r1_ptx OPTIONS="--device cuda" sh scripts/demo.sh runs/ptx
	@grep -q '"golden": true' runs/ptx/summary.json

gpu-check:
	@[ -n "$(KIT)" ] || sh scripts/bootstrap.sh
	@KIT=$(KIT) BUILD=$(BUILD) sh scripts/gpu_check.sh

gpu-kit: dependencies
	$(call build,gpu_programs)
	@sh scripts/gpu_kit.sh $(BUILD) gpu-kit

# Says what is missing and installs it, as root or with sudo, where there is apt-get.
dependencies:
	@sh scripts/bootstrap.sh

clean:
	rm -rf $(BUILD) $(BUILD).log
