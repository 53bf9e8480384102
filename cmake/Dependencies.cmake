# Every library the project uses, found in one place. docs/dependencies.md says what each is for.
find_package(Threads REQUIRED)
find_package(StrataTorch 2.15 REQUIRED)
# LibTorch's include folder brings an fmt of its own, which comes before the system's and whose library is not ours to
# link: where LibTorch is included, fmt is header-only.
set_property(TARGET strata_torch::torch_cpu APPEND PROPERTY INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY)
find_package(fmt 9 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(tomlplusplus 3.3 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(ZLIB 1.2.11 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_package(Boost 1.74 REQUIRED)

# Boost.DLL over std::filesystem: nothing of Boost is linked.
if(NOT TARGET strata::boost_dll)
  add_library(strata_boost_dll INTERFACE)
  add_library(strata::boost_dll ALIAS strata_boost_dll)
  target_link_libraries(strata_boost_dll INTERFACE Boost::headers ${CMAKE_DL_LIBS})
  target_compile_definitions(strata_boost_dll INTERFACE BOOST_DLL_USE_STD_FS)
endif()

# Checksums: by the library where it has code for each kind of x86 processor, else by the header alone.
find_path(STRATA_XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(STRATA_XXHASH_LIBRARY xxhash)
mark_as_advanced(STRATA_XXHASH_INCLUDE_DIR STRATA_XXHASH_LIBRARY)
include(CheckLibraryExists)
check_library_exists(xxhash XXH3_64bits_update_dispatch "" STRATA_XXHASH_DISPATCHES)

# LibTorch carries Gloo inside but not its headers. These are only for including; its library is never linked.
find_path(STRATA_GLOO_INCLUDE_DIR gloo/transport/device.h)
mark_as_advanced(STRATA_GLOO_INCLUDE_DIR)
set(STRATA_HAVE_GLOO OFF)
if(STRATA_GLOO_INCLUDE_DIR)
  set(STRATA_HAVE_GLOO ON)
endif()

if(BUILD_TESTING)
  find_package(GTest 1.12 REQUIRED)
endif()
find_package(benchmark 1.7 QUIET)
