// strata checkpoint verify | convert.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"

#include "app/cli.hpp"
#include "app/stored.hpp"
#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/checkpoint_reader.hpp"
#include "checkpoint/convert.hpp"
#include "checkpoint/pth.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/tensor_reader.hpp"
#include "train/estimate.hpp"

namespace strata::app {
namespace {

namespace fs = std::filesystem;

void verify_checkpoint(const fs::path& dir) {
  const checkpoint::CheckpointReader reader(dir);
  checkpoint::read_state(dir);
  const auto begin = std::chrono::steady_clock::now();
  reader.verify();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::cout << fmt::format(
      "{}: all {} tensors, the index and the state are as they were written ({:.2f} s)\n",
      dir.string(),
      reader.tensors().size(),
      took.count());
}

void verify_weights(const fs::path& path, Stored kind) {
  const auto reader = checkpoint::open_tensors(path);
  std::cout << path.string() << ": " << reader->tensors().size() << " tensors, whole ("
            << text_of(kind) << " has no checksums of their values)\n";
}

std::string format_for(const ConvertOptions& options) {
  if (!options.format.empty()) {
    return options.format;
  }
  const fs::path ending = fs::path(options.out).extension();
  if (ending == ".safetensors") {
    return "safetensors";
  }
  if (ending == ".pth" || ending == ".pt" || ending == ".bin") {
    return "pth";
  }
  if (ending.empty()) {
    return "hf";
  }
  throw config_error({},
                     "\"",
                     options.out,
                     "\" ends in neither .safetensors nor .pth; say which it is to be by --format");
}

std::optional<int32_t> dtype_for(const std::string& name) {
  if (name.empty()) {
    return std::nullopt;
  }
  return name == "fp32" ? STRATA_F32 : name == "fp16" ? STRATA_F16 : STRATA_BF16;
}

// Whether `out` may be written; nothing of what is read may give way to it.
void check_out(const ConvertOptions& options, const std::string& format) {
  const fs::path out = options.out;
  if (!fs::exists(fs::symlink_status(out))) {
    return;
  }
  if (!options.force) {
    throw config_error(
        {}, options.out, " is there already; replace it with --force, or name another");
  }
  const fs::path in = fs::weakly_canonical(options.in);
  const fs::path real = fs::weakly_canonical(out);
  if (in == real || std::ranges::mismatch(real, in).in1 == real.end()) {
    throw config_error({}, options.out, " holds what is to be read; name another");
  }
  if (format != "hf" && fs::is_directory(out)) {
    throw config_error({}, options.out, " is a folder; name a file");
  }
}

void write(const ConvertOptions& options,
           const std::string& format,
           const std::vector<checkpoint::TensorSource>& tensors,
           uint64_t max_shard_bytes) {
  if (format == "hf") {
    checkpoint::write_hf_folder(
        options.out, checkpoint::plan_hf_shards(tensors, max_shard_bytes), options.force);
  } else if (format == "pth") {
    checkpoint::write_pth(options.out, tensors);
  } else {
    checkpoint::write_safetensors(options.out, tensors, {{"format", "pt"}});
  }
}

}  // namespace

int checkpoint_verify(const std::string& path) {
  const Stored kind = kind_of(path);
  try {
    if (kind == Stored::kCheckpoint) {
      verify_checkpoint(path);
    } else {
      verify_weights(path, kind);
    }
    return 0;
  } catch (const std::exception& e) {
    print_error(e);
    return kFailed;
  }
}

int checkpoint_convert(const ConvertOptions& options) {
  kind_of(options.in);
  const std::string format = format_for(options);
  const auto max_shard_bytes =
      static_cast<uint64_t>(train::parse_size(options.max_shard_size, "--max-shard-size"));
  check_out(options, format);
  const auto reader = checkpoint::open_tensors(options.in);
  const auto tensors = checkpoint::sources_of(*reader, dtype_for(options.dtype));
  try {
    write(options, format, tensors, max_shard_bytes);
  } catch (const std::exception& e) {
    print_error(e);
    return kFailed;
  }
  std::cout << options.out << ": " << tensors.size() << " tensors of " << options.in << "\n";
  return 0;
}

}  // namespace strata::app
