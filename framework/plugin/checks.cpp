// The conditions under which a plugin may be loaded.
#include "plugin/checks.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <string_view>
#include <unistd.h>

#include <sys/stat.h>

#include "strata/abi.h"
#include "strata/cpp/error.hpp"
#include "strata/torch/build_tag.h"

#include "config/nearest.hpp"

namespace strata::plugin {
namespace {

constexpr std::array<std::string_view, 12> kKinds = {STRATA_KIND_STRATEGY,
                                                     STRATA_KIND_OPTIM_WRAPPER,
                                                     STRATA_KIND_OPTIMIZER,
                                                     STRATA_KIND_PARAM_SCHEDULER,
                                                     STRATA_KIND_HOOK,
                                                     STRATA_KIND_METRIC,
                                                     STRATA_KIND_MODEL,
                                                     STRATA_KIND_DATASET,
                                                     STRATA_KIND_TRANSFORM,
                                                     STRATA_KIND_SAMPLER,
                                                     "visualizer",
                                                     STRATA_KIND_COMMUNICATOR};

struct stat stat_of(const std::filesystem::path& path) {
  struct stat info{};

  if (::stat(path.c_str(), &info) != 0) {
    throw Error(STRATA_E_IO, text(path.string(), " cannot be examined: ", std::strerror(errno)));
  }
  return info;
}

/// what: "the file" or "its folder".
void check_owner(const struct stat& info, const std::string& what, const std::string& path) {
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    throw config_error("",
                       "owner: ",
                       what,
                       " must belong to root or to user ",
                       ::geteuid(),
                       ", and belongs to user ",
                       info.st_uid,
                       "; chown ",
                       path,
                       ", or copy it to a folder of yours");
  }
}

void check_writers(const struct stat& info,
                   const std::string& what,
                   const std::string& path,
                   Trust trust) {
  // In a sticky folder (/tmp) others may add files but not replace this one.
  const bool guarded = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
  if ((info.st_mode & S_IWOTH) != 0 && !guarded) {
    throw config_error(
        "", "permissions: ", what, " must not be writable by everyone, and is; chmod o-w ", path);
  }
  const bool foreign = info.st_gid != 0 && info.st_gid != ::getegid();
  if (trust == Trust::kStrict && (info.st_mode & S_IWGRP) != 0 && foreign && !guarded) {
    throw config_error("",
                       "permissions: ",
                       what,
                       " must not be writable by group ",
                       info.st_gid,
                       ", which is not yours, and is; chmod g-w ",
                       path);
  }
}

std::string machine_name(uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "AArch64";
    default:
      return text("ELF machine ", machine);
  }
}

void check_abi(const Manifest& manifest, const Host& host) {
  // Until 1.0 a minor version may change any table.
  if (manifest.abi_major != host.abi_major || manifest.abi_minor != host.abi_minor) {
    throw config_error("",
                       "abi: this host has ",
                       host.abi_major,
                       ".",
                       host.abi_minor,
                       ", the plugin was built for ",
                       manifest.abi_major,
                       ".",
                       manifest.abi_minor,
                       manifest.sdk.empty() ? "" : " (SDK ",
                       manifest.sdk,
                       manifest.sdk.empty() ? "" : ")",
                       "; build it again with this host's SDK");
  }
}

void check_tier(const Manifest& manifest, const Host& host) {
  if (manifest.tier == "c") {
    return;
  }
  if (manifest.tier != "torch-native") {
    throw config_error("",
                       "tier: this host knows c and torch-native, the plugin says \"",
                       manifest.tier,
                       "\"; build it again with this host's SDK");
  }
  if (manifest.torch_build_tag != host.torch_build_tag) {
    throw config_error("",
                       "torch.build_tag: this host is \"",
                       host.torch_build_tag,
                       "\", the plugin is \"",
                       manifest.torch_build_tag,
                       "\"; build it again with this host's LibTorch and compiler");
  }
}

/// A kind that no part of this host asks for was meant for another one, or is misspelt.
void check_kinds(const Manifest& manifest) {
  for (const TypeName& type : manifest.types) {
    if (std::ranges::find(kKinds, type.kind) == kKinds.end()) {
      throw config_error("",
                         "types: the type ",
                         type.name,
                         " is of kind \"",
                         type.kind,
                         "\"",
                         config::did_you_mean(type.kind, kKinds),
                         "; build it again with this host's SDK");
    }
  }
}

}  // namespace

Host this_host() {
#if defined(__x86_64__)
  constexpr uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
  constexpr uint16_t kMachine = EM_AARCH64;
#endif
  return {STRATA_ABI_MAJOR, STRATA_ABI_MINOR, STRATA_TORCH_BUILD_TAG, kMachine};
}

void check_file(const std::filesystem::path& file, Trust trust) {
  const struct stat info = stat_of(file);
  if (!S_ISREG(info.st_mode)) {
    throw config_error(
        "", "a plugin must be a regular file; remove ", file.string(), " from the folder");
  }
  const std::filesystem::path folder = file.parent_path();
  const struct stat folder_info = stat_of(folder);
  check_owner(info, "the file", file.string());
  check_writers(info, "the file", file.string(), trust);
  check_owner(folder_info, "its folder", folder.string());
  check_writers(folder_info, "its folder", folder.string(), trust);
}

void check_fits(const Manifest& manifest, uint16_t machine, const Host& host) {
  if (machine != host.machine) {
    throw config_error("",
                       "architecture: this host is ",
                       machine_name(host.machine),
                       ", the plugin is for ",
                       machine_name(machine),
                       "; build it for this machine");
  }
  check_abi(manifest, host);
  check_tier(manifest, host);
  check_kinds(manifest);
}

}  // namespace strata::plugin
