# strata_add_test(NAME name SOURCES file … [LIBS target …] [LABELS label …] [ENV NAME=value …]
#                 [DEPENDS target …] [TIMEOUT seconds] [OWN_MAIN] [ONE_PROCESS])
#
# One GoogleTest program, in <build>/tests. Each of its tests becomes one of ctest's.
#   LIBS         what it tests; GoogleTest and GoogleMock are added
#   DEPENDS      plugins and programs it loads or starts while running
#   OWN_MAIN     it has a main() of its own
#   ONE_PROCESS  ctest runs the whole program as one test: for many small tests behind a slow start
# A test has, beside LABELS, the name of its folder below tests/ as a label (unit, parity, ranks, …), and the target
# <folder>_tests builds all programs of one: `ctest -L '^unit$'`, `ninja unit_tests`.
# A test knows STRATA_SOURCE_DIR, STRATA_BINARY_DIR and STRATA_PLUGIN_DIR as string literals.
include(GoogleTest)

function(strata_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "OWN_MAIN;ONE_PROCESS" "NAME;TIMEOUT"
    "SOURCES;LIBS;LABELS;ENV;DEPENDS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME OR NOT arg_SOURCES)
    message(FATAL_ERROR "strata_add_test: wants NAME and SOURCES; does not know: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()

  file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}/tests" "${CMAKE_CURRENT_SOURCE_DIR}")
  string(REGEX REPLACE "/.*" "" folder "${folder}")
  list(APPEND arg_LABELS ${folder})

  add_executable(${arg_NAME} ${arg_SOURCES})
  if(NOT TARGET ${folder}_tests)
    add_custom_target(${folder}_tests)
  endif()
  add_dependencies(${folder}_tests ${arg_NAME})
  set(main GTest::gtest_main)
  if(arg_OWN_MAIN)
    set(main "")
  endif()
  # What a test itself does need not be fast, but there are many of them to compile.
  target_compile_options(${arg_NAME} PRIVATE "$<$<CONFIG:Release>:-O1>")
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LIBS} GTest::gmock GTest::gtest ${main})
  target_compile_definitions(${arg_NAME} PRIVATE
    STRATA_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    STRATA_BINARY_DIR="${PROJECT_BINARY_DIR}"
    STRATA_PLUGIN_DIR="${STRATA_BUILD_PLUGIN_DIR}")
  # Tests that hold SDK classes compile like a plugin: the SDK's are hidden.
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests"
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  if(arg_DEPENDS)
    add_dependencies(${arg_NAME} ${arg_DEPENDS})
  endif()

  if(arg_ONE_PROCESS)
    add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
    set_tests_properties(${arg_NAME} PROPERTIES
      TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}" ENVIRONMENT "${arg_ENV}")
    return()
  endif()
  gtest_discover_tests(${arg_NAME} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    TEST_LIST ${arg_NAME}_found PROPERTIES TIMEOUT ${arg_TIMEOUT})

  # Its PROPERTIES cannot carry a list; a file that ctest reads after the tests are known can.
  set(file "${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}_properties.cmake")
  file(CONFIGURE OUTPUT "${file}" @ONLY CONTENT [[
if(@arg_NAME@_found)
  set_tests_properties(${@arg_NAME@_found} PROPERTIES LABELS "@arg_LABELS@" ENVIRONMENT "@arg_ENV@")
endif()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${file}")
endfunction()
