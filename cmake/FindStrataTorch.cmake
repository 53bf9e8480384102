# Finds a LibTorch: c10 and torch_cpu as imported targets, and the CUDA pair where it exists.
#
# The configuration that comes with the wheel is not used: it probes for a CUDA device while configuring
# and makes everything depend on torch_cuda. This file reads the same tree and runs nothing.
#
# Searched in this order; the first tree that has include/ATen and lib/libtorch_cpu.so is taken:
#   Torch_DIR                    <torch>/share/cmake/Torch, as find_package(Torch) takes it (variable or environment)
#   CMAKE_PREFIX_PATH            <torch>, <torch>/share/cmake, or a prefix with lib/python3*/site-packages/torch
#   StrataTorch_HINTS            the LibTorch an installed SDK was built with
#   <source tree>/.venv          what `make setup` makes
#   VIRTUAL_ENV                  an active virtual environment
#
# Targets    strata_torch::c10 strata_torch::torch_cpu [strata_torch::c10_cuda strata_torch::torch_cuda]
# Variables  StrataTorch_FOUND StrataTorch_ROOT StrataTorch_LIBRARY_DIR STRATA_TORCH_VERSION
#            STRATA_TORCH_CUDA_VERSION ("13.2", or "cpu")

# Appends the places below `prefix` at which a LibTorch may lie.
function(_strata_torch_places prefix out)
  file(GLOB in_python LIST_DIRECTORIES true "${prefix}/lib/python3*/site-packages/torch")
  set(${out} ${${out}} "${prefix}" "${prefix}/../.." "${prefix}/torch" ${in_python} PARENT_SCOPE)
endfunction()

function(_strata_torch_find_root out)
  set(places "")
  foreach(dir IN ITEMS "${Torch_DIR}" "$ENV{Torch_DIR}")
    if(dir)
      list(APPEND places "${dir}/../../.." "${dir}")
    endif()
  endforeach()
  string(REPLACE ":" ";" env_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  foreach(prefix IN LISTS CMAKE_PREFIX_PATH env_prefixes StrataTorch_HINTS)
    _strata_torch_places("${prefix}" places)
  endforeach()
  _strata_torch_places("${CMAKE_SOURCE_DIR}/.venv" places)
  if(DEFINED ENV{VIRTUAL_ENV})
    _strata_torch_places("$ENV{VIRTUAL_ENV}" places)
  endif()

  set(${out} "" PARENT_SCOPE)
  foreach(place IN LISTS places)
    if(EXISTS "${place}/lib/libtorch_cpu.so" AND EXISTS "${place}/include/ATen/ATen.h")
      file(REAL_PATH "${place}" real)
      set(${out} "${real}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# The numbers stand in a header whose place changed in 2.9.
function(_strata_torch_read_version root out)
  set(${out} "" PARENT_SCOPE)
  foreach(header IN ITEMS torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT EXISTS "${root}/include/${header}")
      continue()
    endif()
    file(STRINGS "${root}/include/${header}" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
    list(LENGTH numbers count)
    if(count EQUAL 3)
      string(REPLACE ";" "." version "${numbers}")
      set(${out} "${version}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# No header names the CUDA release. The wheel has it in version.py, the zip archive in build-version.
function(_strata_torch_read_cuda root out)
  set(${out} "cpu" PARENT_SCOPE)
  if(NOT EXISTS "${root}/lib/libtorch_cuda.so")
    return()
  endif()
  set(${out} "unknown" PARENT_SCOPE)
  if(EXISTS "${root}/version.py")
    file(STRINGS "${root}/version.py" line REGEX "^cuda.*'[0-9.]+'" LIMIT_COUNT 1)
    if(line MATCHES "'([0-9]+)\\.([0-9]+)")
      set(${out} "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}" PARENT_SCOPE)
    endif()
  elseif(EXISTS "${root}/build-version")
    file(STRINGS "${root}/build-version" line LIMIT_COUNT 1)
    if(line MATCHES "\\+cu([0-9]+)([0-9])$")
      set(${out} "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

# Defines strata_torch::<name> when its library exists.
function(_strata_torch_add_library name)
  set(library "${StrataTorch_LIBRARY_DIR}/lib${name}.so")
  if(TARGET strata_torch::${name} OR NOT EXISTS "${library}")
    return()
  endif()
  add_library(strata_torch::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(strata_torch::${name} PROPERTIES
    IMPORTED_LOCATION "${library}"
    IMPORTED_SONAME "lib${name}.so"
    INTERFACE_INCLUDE_DIRECTORIES "${StrataTorch_ROOT}/include;${StrataTorch_ROOT}/include/torch/csrc/api/include"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${StrataTorch_ROOT}/include;${StrataTorch_ROOT}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

# What the library was compiled with decides what its headers declare; the wheel's export lists it.
function(_strata_torch_add_definitions name)
  set(definitions "")
  file(GLOB exports "${StrataTorch_ROOT}/share/cmake/Caffe2/Caffe2Targets.cmake")
  if(exports)
    file(STRINGS ${exports} lines REGEX "INTERFACE_COMPILE_DEFINITIONS \"[A-Z]")
    string(REPLACE "\\;" ";" lines "${lines}")  # file(STRINGS) escapes them
    foreach(candidate IN LISTS ARGN)
      if("${lines}" MATCHES "[\";]${candidate}[\";]" OR "${lines}" MATCHES "[\";]${candidate}$")
        list(APPEND definitions ${candidate})
      endif()
    endforeach()
  endif()
  set_property(TARGET strata_torch::${name} PROPERTY INTERFACE_COMPILE_DEFINITIONS "${definitions}")
endfunction()

_strata_torch_find_root(StrataTorch_ROOT)
set(STRATA_TORCH_VERSION "")
if(StrataTorch_ROOT)
  set(StrataTorch_LIBRARY_DIR "${StrataTorch_ROOT}/lib")
  _strata_torch_read_version("${StrataTorch_ROOT}" STRATA_TORCH_VERSION)
  _strata_torch_read_cuda("${StrataTorch_ROOT}" STRATA_TORCH_CUDA_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(StrataTorch
  REQUIRED_VARS StrataTorch_ROOT STRATA_TORCH_VERSION
  VERSION_VAR STRATA_TORCH_VERSION
  REASON_FAILURE_MESSAGE "run `make setup`, or set Torch_DIR or CMAKE_PREFIX_PATH to a LibTorch")

if(StrataTorch_FOUND AND NOT TARGET strata_torch::c10)
  _strata_torch_add_library(c10)
  _strata_torch_add_library(torch_cpu strata_torch::c10)
  _strata_torch_add_library(c10_cuda strata_torch::c10)
  _strata_torch_add_library(torch_cuda strata_torch::torch_cpu strata_torch::c10_cuda)
  _strata_torch_add_definitions(torch_cpu USE_DISTRIBUTED USE_C10D_GLOO USE_RPC USE_TENSORPIPE)
  if(TARGET strata_torch::torch_cuda)
    _strata_torch_add_definitions(torch_cuda USE_C10D_NCCL USE_NVSHMEM)
  endif()

  # The tag of a build (strata/torch/build_tag.h) names the CUDA release; no header of LibTorch does.
  string(REGEX REPLACE "\\..*" "" cuda_major "${STRATA_TORCH_CUDA_VERSION}")
  if(NOT cuda_major MATCHES "^[0-9]+$")
    set(cuda_major 0)
  endif()
  set_property(TARGET strata_torch::c10 PROPERTY
    INTERFACE_COMPILE_DEFINITIONS "STRATA_TORCH_CUDA_MAJOR=${cuda_major}")

  # The libraries need others of the CUDA wheels. An executable's link looks those up as well, and would
  # otherwise find the system's own, older ones.
  file(GLOB cuda_dirs LIST_DIRECTORIES true "${StrataTorch_ROOT}/../nvidia/*/lib")
  list(TRANSFORM cuda_dirs PREPEND "LINKER:-rpath-link,")
  set_property(TARGET strata_torch::c10 PROPERTY
    INTERFACE_LINK_OPTIONS "LINKER:-rpath-link,${StrataTorch_LIBRARY_DIR}" ${cuda_dirs})
endif()
