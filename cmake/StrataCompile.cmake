# How everything of ours is compiled. Set for the whole tree on purpose: a target that forgot one of these
# lines would compute other bits than its neighbours, or hide its warnings.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

# A fused multiply-add in the vector body and none in its remainder would make a result depend on where an
# array was cut. errno after sqrt() is read by nobody and keeps loops from being vectorised.
add_compile_options(-ffp-contract=off -fno-math-errno)

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion)
add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang>:-Wnon-virtual-dtor;-Woverloaded-virtual>")
# Other compilers' names in a pragma, and attributes of theirs, are meant for them.
add_compile_options(-Wno-unknown-pragmas)
if(STRATA_WERROR)
  add_compile_options(-Werror)
endif()

if(STRATA_SANITIZE)
  add_compile_options(-fsanitize=${STRATA_SANITIZE} -fno-omit-frame-pointer -g1)
  # GCC's manual: with sanitizers this one warns of what is initialised (std::regex is an example).
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(STRATA_SANITIZE STREQUAL "thread")
    add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-tsan>)  # LibTorch's headers have fences, which it cannot see
  endif()
  add_link_options(-fsanitize=${STRATA_SANITIZE})
endif()

if(STRATA_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "STRATA_FUZZ needs clang's libFuzzer: -DCMAKE_CXX_COMPILER=clang++, or scripts/fuzz.sh")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Precompiled headers defeat ccache unless it may overlook their time stamps and macros.
find_program(STRATA_CCACHE ccache)
mark_as_advanced(STRATA_CCACHE)
if(STRATA_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(launcher env "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
    "${STRATA_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>")
endif()

find_program(STRATA_MOLD mold)
mark_as_advanced(STRATA_MOLD)
include(CheckLinkerFlag)
if(STRATA_MOLD)
  check_linker_flag(CXX -fuse-ld=mold STRATA_LINKS_WITH_MOLD)
  if(STRATA_LINKS_WITH_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()
