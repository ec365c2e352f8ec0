# What a person types. Everything is built by CMake, in build/.
#
#   make demo    from nothing to R1-Zero in minutes; ends with a table, two hashes and a report
#   make test    builds and runs every test
#   make bench   speed, as ratios to this machine's limits
#   make r1      the program alone: build/r1 --help

BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: demo test bench r1 dependencies clean

r1: dependencies
	@cmake -S . -B $(BUILD) $(CMAKE_OPTIONS) > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD) --target r1 -j $(JOBS) | grep -v "^\[.*Built target" ; test -x $(BUILD)/r1

demo: r1
	@R1=$(BUILD)/r1 sh scripts/demo.sh

test: r1
	@cmake --build $(BUILD) --target r1_test -j $(JOBS) | grep -v "^\[.*Built target" ; test -x $(BUILD)/r1_test
	@$(BUILD)/r1_test

bench: r1
	@cmake --build $(BUILD) --target r1_bench -j $(JOBS) | grep -v "^\[.*Built target" ; test -x $(BUILD)/r1_bench
	@$(BUILD)/r1_bench

# Says what is missing and installs it, as root or with sudo, where there is apt-get.
dependencies:
	@sh scripts/bootstrap.sh

clean:
	rm -rf $(BUILD) $(BUILD).log
