// Log lines, scalars, and the copy of both elsewhere.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "strata/cpp/json.hpp"

#include "hooks.hpp"

namespace strata::hook_basic {
namespace {

namespace fs = std::filesystem;

// "a/b/" and "a/b" alike.
fs::path base_name(const fs::path& path) {
  return path.has_filename() ? path.filename() : path.parent_path().filename();
}

[[noreturn]] void cannot(std::string_view what, const fs::path& path, const std::string& why) {
  throw Error(STRATA_E_IO, text("LoggerHook: cannot ", what, " ", path.string(), ": ", why));
}

}  // namespace

LoggerHook::LoggerHook(const LoggerConfig& config) : config_(config) {
  if (!config.keep_local && config.out_dir.empty()) {
    throw config_error("",
                       "keep_local = false without out_dir would delete the logs; name an out_dir");
  }
}

uint64_t LoggerHook::points() const {
  return bit(STRATA_POINT_AFTER_TRAIN_ITER) | bit(STRATA_POINT_AFTER_VAL_ITER) |
         bit(STRATA_POINT_AFTER_VAL_EPOCH) | bit(STRATA_POINT_AFTER_TEST_ITER) |
         bit(STRATA_POINT_AFTER_TEST_EPOCH) | bit(STRATA_POINT_AFTER_RUN);
}

void LoggerHook::on(int32_t point, const HookContext& context) {
  switch (point) {
    case STRATA_POINT_AFTER_TRAIN_ITER:
      return after_train_iter(context);
    case STRATA_POINT_AFTER_VAL_ITER:
      return after_eval_iter(context, STRATA_MODE_VAL);
    case STRATA_POINT_AFTER_VAL_EPOCH:
      return after_val_epoch();
    case STRATA_POINT_AFTER_TEST_ITER:
      return after_eval_iter(context, STRATA_MODE_TEST);
    case STRATA_POINT_AFTER_TEST_EPOCH:
      return after_test_epoch();
    default:
      return after_run();
  }
}

void LoggerHook::after_train_iter(const HookContext& context) const {
  const strata_progress p = progress();
  const bool last = is_last_of_loop(p);
  if (every_n_train_iters(p, config_.interval_exp_name) || last) {
    info("Exp name: ", view(run().experiment_name(runtime())));
  }
  const int64_t length = p.by_epoch != 0 ? p.epoch_length : p.max_iters;
  const bool tail = last && (!config_.ignore_last || length <= config_.interval);
  if (!every_n_inner_iters(context.batch_idx(), config_.interval) && !tail) {
    return;
  }
  const TextSink line;
  const NumberSink tags;
  check(
      run().log_after_iter(runtime(), context.batch_idx(), STRATA_MODE_TRAIN, line.c(), tags.c()));
  info(line.str());
  add_scalars(tags.items(), p.iter + 1);
}

void LoggerHook::after_eval_iter(const HookContext& context, int32_t mode) const {
  if (!every_n_inner_iters(context.batch_idx(), config_.interval)) {
    return;
  }
  const TextSink line;
  const NumberSink tags;
  check(run().log_after_iter(runtime(), context.batch_idx(), mode, line.c(), tags.c()));
  info(line.str());
}

LoggerHook::Tags LoggerHook::log_epoch(int32_t mode) const {
  const TextSink line;
  const NumberSink tags;
  check(run().log_after_epoch(runtime(), progress().loop_length, mode, line.c(), tags.c()));
  info(line.str());
  return tags.items();
}

void LoggerHook::after_val_epoch() const {
  const strata_progress p = progress();
  const bool by_epoch = config_.log_metric_by_epoch.value_or(p.by_epoch != 0);
  add_scalars(log_epoch(STRATA_MODE_VAL), by_epoch ? p.epoch : p.iter);
}

void LoggerHook::after_test_epoch() const {
  const Tags tags = log_epoch(STRATA_MODE_TEST);
  if (run().rank(runtime()) != 0) {
    return;
  }
  std::string json;
  for (const auto& [name, value] : tags) {
    json += (json.empty() ? "" : ", ") + json_text(name) + ": " + json_float(value);
  }
  const fs::path dir(view(run().log_dir(runtime())));
  const fs::path path = dir / (base_name(dir).string() + ".json");
  std::error_code ignored;  // the file's own error says more
  fs::create_directories(dir, ignored);
  std::ofstream out(path);
  out << '{' << json << "}\n" << std::flush;
  if (!out) {
    cannot("write", path, std::strerror(errno));
  }
}

void LoggerHook::add_scalars(const Tags& tags, int64_t step) const {
  std::vector<strata_str> names;
  std::vector<double> values;
  for (const auto& [name, value] : tags) {
    names.push_back(view(std::string_view(name)));
    values.push_back(value);
  }
  check(run().add_scalars(runtime(), names.data(), values.data(), names.size(), step));
}

bool LoggerHook::is_copied(const fs::path& file) const {
  const std::string name = file.filename().string();
  return std::ranges::any_of(config_.out_suffix,
                             [&](const std::string& suffix) { return name.ends_with(suffix); });
}

void LoggerHook::copy_logs(const fs::path& from, const fs::path& to) const {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    if (entry.is_regular_file() && is_copied(entry.path())) {
      files.push_back(entry.path());
    }
  }
  for (const fs::path& file : files) {
    const fs::path target = to / fs::relative(file, from);
    fs::create_directories(target.parent_path());
    fs::copy_file(file, target, fs::copy_options::overwrite_existing);
    info("The file ", file.string(), " has been copied to ", target.string(), ".");
    if (!config_.keep_local) {
      fs::remove(file);
      info(file.string(), " was removed, as keep_local = false says");
    }
  }
}

void LoggerHook::after_run() const {
  if (config_.out_dir.empty() || run().rank(runtime()) != 0) {
    return;
  }
  const fs::path work_dir(view(run().work_dir(runtime())));
  const fs::path target = fs::path(config_.out_dir) / base_name(work_dir);
  try {
    copy_logs(fs::path(view(run().log_dir(runtime()))), target);
  } catch (const fs::filesystem_error& e) {
    cannot("copy the logs to", target, e.what());
  }
}

}  // namespace strata::hook_basic
