# One INTERFACE target carries what every file of ours is compiled with.
add_library(i2crc_flags INTERFACE)
target_include_directories(i2crc_flags INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_compile_options(i2crc_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Wunused -Wno-psabi
  # GCC 12 finds overlapping copies in "literal" + std::string, where there are none.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  # Goldens and reproducible bytes count on every product and sum being rounded for itself.
  -ffp-contract=off)
if(I2CRC_WERROR)
  target_compile_options(i2crc_flags INTERFACE -Werror)
endif()
if(I2CRC_LIBFUZZER)
  # The rooms are instrumented too: without it the engine sees no coverage in them.
  target_compile_options(i2crc_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(I2CRC_SANITIZE)
  target_compile_options(i2crc_flags INTERFACE -fsanitize=${I2CRC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(i2crc_flags INTERFACE -fsanitize=${I2CRC_SANITIZE})
endif()

# i2crc_room(NAME core SOURCES a.cc DEPS i2crc_x fmt::fmt TESTS a_test.cc [TEST_DEPS …] [MAY_SKIP …] [TORCH])
#
# A room is one static library, i2crc_NAME, with its unit tests beside its sources. TORCH: the room includes
# libtorch; all such rooms share one precompiled header.
function(i2crc_room)
  cmake_parse_arguments(ROOM "TORCH" "NAME" "SOURCES;DEPS;TESTS;TEST_DEPS;MAY_SKIP" ${ARGN})
  add_library(i2crc_${ROOM_NAME} STATIC ${ROOM_SOURCES})
  target_link_libraries(i2crc_${ROOM_NAME} PUBLIC i2crc_flags ${ROOM_DEPS})
  if(ROOM_TORCH)
    i2crc_use_torch(i2crc_${ROOM_NAME})
  endif()
  if(I2CRC_TESTS AND ROOM_TESTS)
    set(extra)
    if(ROOM_TORCH)
      set(extra TORCH)
    endif()
    i2crc_test(NAME ${ROOM_NAME}_test SOURCES ${ROOM_TESTS} DEPS i2crc_${ROOM_NAME} ${ROOM_TEST_DEPS}
               MAY_SKIP ${ROOM_MAY_SKIP} ${extra})
  endif()
endfunction()

# i2crc_test(NAME x_test SOURCES … DEPS … [TORCH] [WHOLE] [MAY_SKIP Suite.Test …] [LABELS …]): a GoogleTest program, each
# test known to ctest by its name (those that load libtorch run as one, since starting it costs half a second, and so do
# WHOLE ones, whose tests share what takes long to make). Of those that run as one, tests that may skip are named by
# MAY_SKIP (*: all) and known to ctest by their names too: a skip among the others would go unseen, and is a failure.
function(i2crc_test)
  cmake_parse_arguments(TEST "TORCH;WHOLE" "NAME" "SOURCES;DEPS;LABELS;MAY_SKIP" ${ARGN})
  add_executable(${TEST_NAME} ${TEST_SOURCES})
  target_link_libraries(${TEST_NAME} PRIVATE ${TEST_DEPS} i2crc_test_support GTest::gmock GTest::gtest_main)
  if(TEST_TORCH)
    i2crc_use_torch(${TEST_NAME})
  endif()
  include(GoogleTest)
  # To ask for the tests' names takes long where the machine is busy.
  set(discover DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 300 TEST_PREFIX "${TEST_NAME}.")
  set(properties)
  if(TEST_LABELS)
    set(properties LABELS "${TEST_LABELS}")
  endif()
  string(REPLACE ";" ":" may_skip "${TEST_MAY_SKIP}")
  if(NOT (TEST_TORCH OR TEST_WHOLE) OR may_skip STREQUAL "*")
    gtest_discover_tests(${TEST_NAME} ${discover} PROPERTIES ${properties})
    return()
  endif()
  add_test(NAME ${TEST_NAME} COMMAND ${TEST_NAME})
  set_tests_properties(${TEST_NAME} PROPERTIES ${properties} TIMEOUT 1800 FAIL_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
  if(may_skip)
    set_tests_properties(${TEST_NAME} PROPERTIES ENVIRONMENT "GTEST_FILTER=-${may_skip}")
    gtest_discover_tests(${TEST_NAME} ${discover} TEST_FILTER "${may_skip}" PROPERTIES ${properties})
  endif()
endfunction()

# Gives a target libtorch and the one precompiled header that includes all of it.
function(i2crc_use_torch target)
  if(NOT TARGET i2crc_torch_pch)
    file(WRITE "${CMAKE_BINARY_DIR}/torch_pch.cc" "// Carries the precompiled header of the rooms that include libtorch.\n")
    add_library(i2crc_torch_pch STATIC "${CMAKE_BINARY_DIR}/torch_pch.cc")
    target_link_libraries(i2crc_torch_pch PUBLIC i2crc_flags i2crc_libtorch)
    target_compile_options(i2crc_torch_pch PRIVATE -fpch-preprocess)
    target_precompile_headers(i2crc_torch_pch PRIVATE <torch/torch.h>)
  endif()
  target_link_libraries(${target} PRIVATE i2crc_libtorch)
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_precompile_headers(${target} REUSE_FROM i2crc_torch_pch)
endfunction()
