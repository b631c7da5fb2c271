# The two commands of README.md, and what developers run daily. On Debian every target first installs what is missing.
BUILD ?= build
PRESET ?= release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

.PHONY: all setup configure demo python test asan tsan bench format check-format install clean

all: configure
	cmake --build $(BUILD) --parallel $(JOBS)

setup:
	tools/setup

configure: setup
	cmake --preset $(PRESET) -B $(BUILD) $(CMAKE_ARGS)

demo: all
	$(BUILD)/i2crc demo --out $(BUILD)/demo

# PYTHONPATH=$(BUILD)/python finds the module.
python: setup
	cmake --preset $(PRESET) -B $(BUILD) -DI2CRC_PYTHON=ON $(CMAKE_ARGS)
	cmake --build $(BUILD) --parallel $(JOBS) --target i2crc_python

test: all
	ctest --test-dir $(BUILD) --output-on-failure --parallel $(JOBS)

# The rooms without libtorch under sanitizers.
asan tsan: setup
	cmake --preset $@ $(CMAKE_ARGS)
	cmake --build --preset $@ --parallel $(JOBS)
	ctest --preset $@ --parallel $(JOBS)

bench: setup
	cmake --preset $(PRESET) -B $(BUILD) -DI2CRC_BENCH=ON $(CMAKE_ARGS)
	cmake --build $(BUILD) --parallel $(JOBS)
	bench/run $(BUILD)

format:
	git ls-files '*.cc' '*.h' | xargs clang-format -i

check-format:
	git ls-files '*.cc' '*.h' | xargs clang-format --dry-run --Werror

install: all
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf $(BUILD) build-dev build-asan build-tsan build-fuzz
