# Prints what was found, at the end of configuring.
function(strata_print_summary)
  set(sanitize "${STRATA_SANITIZE}")
  if(NOT sanitize)
    set(sanitize off)
  endif()
  set(cache "none")
  if(CMAKE_CXX_COMPILER_LAUNCHER)
    list(GET CMAKE_CXX_COMPILER_LAUNCHER -1 cache)
  endif()
  set(linker "the compiler's own")
  if(STRATA_LINKS_WITH_MOLD)
    set(linker "${STRATA_MOLD}")
  endif()
  set(rows
    "Strata|${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}, warnings are errors: ${STRATA_WERROR}, sanitizer: ${sanitize}"
    "compiler|${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    "compiler cache|${cache}"
    "linker|${linker}"
    "LibTorch|${STRATA_TORCH_VERSION}, CUDA ${STRATA_TORCH_CUDA_VERSION}, ${StrataTorch_ROOT}"
    "Gloo headers|${STRATA_HAVE_GLOO}"
    "Boost|${Boost_VERSION}"
    "fmt, spdlog|${fmt_VERSION}, ${spdlog_VERSION}"
    "toml++, CLI11|${tomlplusplus_VERSION}, ${CLI11_VERSION}"
    "nlohmann-json|${nlohmann_json_VERSION}"
    "GoogleTest|${GTest_VERSION}"
    "Google Benchmark|${benchmark_VERSION}")
  message(STATUS "")
  foreach(row IN LISTS rows)
    string(REGEX MATCH "^([^|]*)[|](.*)$" _ "${row}")
    set(value "${CMAKE_MATCH_2}")
    string(SUBSTRING "${CMAKE_MATCH_1}                    " 0 18 name)
    if(value STREQUAL "")
      set(value "not found")
    endif()
    message(STATUS "${name}${value}")
  endforeach()
  message(STATUS "")
endfunction()
