/* STRATA_TORCH_BUILD_TAG: the LibTorch and C++ ABI that a file is compiled against, as one string literal.
 *
 * A torch-native plugin shares C++ objects with its host, so both must have the same tag:
 *   torch 2.15.0|cu13|cxx11abi1|gxx1017|libstdc++|x86_64
 * C++ only: in C nothing tells which standard library is meant. Pulls in macros and no declarations of LibTorch.
 */
#ifndef STRATA_TORCH_BUILD_TAG_H
#define STRATA_TORCH_BUILD_TAG_H

#ifndef __cplusplus
#error "strata/torch/build_tag.h is for C++: the tag depends on the C++ standard library"
#endif

#include <version>

#include <torch/version.h>

/* No header of LibTorch names the CUDA release. CMake's target StrataSDK::torch defines it; 0 means none. */
#ifndef STRATA_TORCH_CUDA_MAJOR
#error \
    "define STRATA_TORCH_CUDA_MAJOR as the major CUDA version of your LibTorch (13), or as 0 for a CPU build"
#endif

#define STRATA_BUILD_TAG_TEXT_(x) #x
#define STRATA_BUILD_TAG_TEXT(x) STRATA_BUILD_TAG_TEXT_(x)

#if STRATA_TORCH_CUDA_MAJOR == 0
#define STRATA_BUILD_TAG_CUDA "cpu"
#else
#define STRATA_BUILD_TAG_CUDA "cu" STRATA_BUILD_TAG_TEXT(STRATA_TORCH_CUDA_MAJOR)
#endif

#if defined(_LIBCPP_VERSION)
#define STRATA_BUILD_TAG_LIBRARY "libc++"
#define STRATA_BUILD_TAG_STRING_ABI "0"
#elif defined(__GLIBCXX__)
#define STRATA_BUILD_TAG_LIBRARY "libstdc++"
#define STRATA_BUILD_TAG_STRING_ABI STRATA_BUILD_TAG_TEXT(_GLIBCXX_USE_CXX11_ABI)
#else
#error "unknown C++ standard library: strata/torch/build_tag.h knows libstdc++ and libc++"
#endif

#if defined(__x86_64__)
#define STRATA_BUILD_TAG_ARCH "x86_64"
#elif defined(__aarch64__)
#define STRATA_BUILD_TAG_ARCH "aarch64"
#else
#error "unknown architecture: add it to strata/torch/build_tag.h"
#endif

#define STRATA_TORCH_BUILD_TAG                                                             \
  "torch " TORCH_VERSION "|" STRATA_BUILD_TAG_CUDA "|cxx11abi" STRATA_BUILD_TAG_STRING_ABI \
  "|gxx" STRATA_BUILD_TAG_TEXT(__GXX_ABI_VERSION) "|" STRATA_BUILD_TAG_LIBRARY             \
                                                  "|" STRATA_BUILD_TAG_ARCH

#endif
