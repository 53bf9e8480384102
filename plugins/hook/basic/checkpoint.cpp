// When a checkpoint is saved, which are kept, which is the best.
#include <algorithm>
#include <array>
#include <cstdio>

#include "hooks.hpp"

namespace strata::hook_basic {
namespace {

constexpr std::string_view kHole = "{}";

std::string fixed4(double value) {
  std::array<char, 400> digits{};  // the largest double has 309 before the point
  const int n = std::snprintf(digits.data(), digits.size(), "%.4f", value);
  return {digits.data(), static_cast<size_t>(n)};
}

void check_template(const std::string& name) {
  if (name.empty()) {
    return;
  }
  const size_t hole = name.find(kHole);
  if (hole == std::string::npos || name.find(kHole, hole + 1) != std::string::npos ||
      name.find('/') != std::string::npos || name.front() == '.') {
    throw config_error(
        "", "filename_tmpl wants one {} for the number, no / and no . in front, is \"", name, "\"");
  }
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// Keys of MMEngine's checkpoints, by what they are called there.
std::vector<std::string> read_published_keys(const Node& node) {
  static constexpr std::array<std::string_view, 6> kKnown = {
      "state_dict", "ema_state_dict", "optimizer", "meta", "message_hub", "param_schedulers"};
  const std::vector<std::string> keys = texts_of(node);
  for (const std::string& key : keys) {
    if (std::ranges::find(kKnown, key) == kKnown.end()) {
      throw config_error(
          node.where(),
          "published_keys: a checkpoint has no \"",
          key,
          "\"; there are state_dict, ema_state_dict, optimizer, meta, message_hub and "
          "param_schedulers");
    }
  }
  if (node && keys.empty()) {
    throw config_error(node.where(),
                       "published_keys is empty; leave it out, or name what is published");
  }
  return keys;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : "\n") + name;
  }
  return out;
}

}  // namespace

CheckpointHook::CheckpointHook(const CheckpointConfig& config)
    : config_(config), best_(config), published_keys_(read_published_keys(config.published_keys)) {
  check_template(config.filename_tmpl);
  if (config.backend_args) {
    throw config_error(config.backend_args.where(),
                       "backend_args: checkpoints are written to folders of this machine's file "
                       "system; leave the key out, and mount what is elsewhere");
  }
}

uint64_t CheckpointHook::points() const {
  return bit(STRATA_POINT_BEFORE_TRAIN) | bit(STRATA_POINT_AFTER_TRAIN_ITER) |
         bit(STRATA_POINT_AFTER_TRAIN_EPOCH) | bit(STRATA_POINT_AFTER_VAL_EPOCH) |
         bit(STRATA_POINT_AFTER_TRAIN);
}

void CheckpointHook::on(int32_t point, const HookContext& context) {
  switch (point) {
    case STRATA_POINT_BEFORE_TRAIN:
      return before_train();
    case STRATA_POINT_AFTER_TRAIN_ITER:
      return after_train_step(false);
    case STRATA_POINT_AFTER_TRAIN_EPOCH:
      return after_train_step(true);
    case STRATA_POINT_AFTER_TRAIN:
      return publish_all();
    default:
      return after_val_epoch(context);
  }
}

void CheckpointHook::before_train() {
  by_epoch_ = config_.by_epoch.value_or(progress().by_epoch != 0);
  training_ = true;
  const std::filesystem::path work_dir(view(run().work_dir(runtime())));
  folder_ = work_dir.string();
  if (!config_.out_dir.empty()) {
    const auto name =
        work_dir.has_filename() ? work_dir.filename() : work_dir.parent_path().filename();
    out_dir_ = (std::filesystem::path(config_.out_dir) / name).string();
    folder_ = out_dir_;
  }
  info("Checkpoints will be saved to ", folder_, ".");
  std::vector<std::string> names = kept();
  drop_surplus(names);
  set_text(kept_key(), joined(names));
}

void CheckpointHook::after_train_step(bool epoch_end) {
  if (epoch_end != by_epoch_) {
    return;
  }
  const strata_progress p = progress();
  const bool due = by_epoch_ ? every_n_epochs(p, config_.interval, config_.save_begin)
                             : every_n_train_iters(p, config_.interval, config_.save_begin);
  const bool last = by_epoch_ ? is_last_train_epoch(p) : is_last_train_iter(p);
  if (!due && !(config_.save_last && last)) {
    return;
  }
  const int64_t count = (by_epoch_ ? p.epoch : p.iter) + 1;
  info("Saving checkpoint at ", count, by_epoch_ ? " epochs" : " iterations");
  last_name_ = name_of(count);

  // The hub goes into the checkpoint, so it has to know of it before.
  std::vector<std::string> names = kept();
  std::erase(names, last_name_);
  names.push_back(last_name_);
  std::vector<std::string> surplus = names;
  if (config_.max_keep_ckpts > 0 && std::ssize(names) > config_.max_keep_ckpts) {
    names.erase(names.begin(), names.end() - config_.max_keep_ckpts);
  }
  set_text(kept_key(), joined(names));
  set_text("last_ckpt", (std::filesystem::path(folder_) / last_name_).string());
  write_checkpoint(last_name_, false);
  drop_surplus(surplus);
}

void CheckpointHook::after_val_epoch(const HookContext& context) {
  if (best_.empty() || !training_) {
    return;
  }
  if (context.numbers().empty()) {
    warn("save_best: the validation gave no metric; give val_evaluator one");
    return;
  }
  const strata_progress p = progress();
  const int64_t count = by_epoch_ ? p.epoch : p.iter;
  for (const strata_named_number& metric : best_.pick(context.numbers())) {
    save_best(metric, count);
  }
}

void CheckpointHook::save_best(const strata_named_number& metric, int64_t count) {
  const std::string name(view(metric.name));
  const std::string suffix = best_.several() ? "_" + name : "";
  const std::string score_key = "best_score" + suffix;
  const std::string path_key = best_.path_key(name);
  double known = 0;
  const bool any = found(hub().number(runtime(), view(std::string_view(score_key)), &known));
  if (!best_.is_better(name, metric.value, any ? std::optional(known) : std::nullopt)) {
    return;
  }
  std::string file = "best_" + name + "_" + name_of(count);
  std::ranges::replace(file, '/', '_');
  const std::filesystem::path old = text_of(path_key);
  check(hub().set_number(runtime(), view(std::string_view(score_key)), metric.value, 1));
  set_text(path_key, (std::filesystem::path(folder_) / file).string());
  write_checkpoint(file, true);
  info("The best checkpoint with ",
       fixed4(metric.value),
       " ",
       name,
       " at ",
       count,
       by_epoch_ ? " epoch" : " iter",
       " is saved to ",
       file,
       ".");
  if (last_name_ == name_of(count)) {
    check(run().refresh_checkpoint(
        runtime(), view(std::string_view(out_dir_)), view(std::string_view(last_name_))));
  }
  if (!old.empty() && old.parent_path() == folder_ && old.filename() != file) {
    remove_checkpoint(old.filename().string());
  }
}

void CheckpointHook::write_checkpoint(const std::string& name, bool best) const {
  const strata_save_args args = {STRATA_HDR(strata_save_args),
                                 view(std::string_view(out_dir_)),
                                 view(std::string_view(name)),
                                 !best && config_.save_optimizer ? 1 : 0,
                                 !best && config_.save_param_scheduler ? 1 : 0,
                                 best ? 0 : 1,
                                 config_.async_save ? 0 : 1};
  check(run().save_checkpoint(runtime(), &args));
}

void CheckpointHook::publish_all() const {
  if (published_keys_.empty()) {
    return;
  }
  if (config_.save_last) {
    publish(text_of("last_ckpt"));
  }
  for (const std::string& key : best_.path_keys()) {
    publish(text_of(key));
  }
}

void CheckpointHook::publish(const std::filesystem::path& checkpoint) const {
  if (checkpoint.empty()) {
    return;
  }
  if (checkpoint.parent_path() != std::filesystem::path(folder_)) {
    warn("the checkpoint ", checkpoint.string(), " of an earlier run is not published");
    return;
  }
  std::vector<strata_str> keys;
  keys.reserve(published_keys_.size());
  for (const std::string& key : published_keys_) {
    keys.push_back(view(std::string_view(key)));
  }
  const std::string name = checkpoint.filename().string();
  const TextSink file;
  check(run().publish_checkpoint(runtime(),
                                 view(std::string_view(out_dir_)),
                                 view(std::string_view(name)),
                                 keys.data(),
                                 keys.size(),
                                 file.c()));
  info("The checkpoint (", checkpoint.string(), ") is published to ", file.str(), ".");
}

void CheckpointHook::remove_checkpoint(const std::string& name) const {
  try {
    check(run().remove_checkpoint(
        runtime(), view(std::string_view(out_dir_)), view(std::string_view(name))));
  } catch (const Error& e) {
    if (e.code() == STRATA_E_COMM) {
      throw;
    }
    warn("the old checkpoint ",
         name,
         " in ",
         folder_,
         " stays: ",
         e.what());  // worth a warning, not the run
  }
}

void CheckpointHook::drop_surplus(std::vector<std::string>& names) const {
  while (config_.max_keep_ckpts > 0 && std::ssize(names) > config_.max_keep_ckpts) {
    remove_checkpoint(names.front());
    names.erase(names.begin());
  }
}

std::string CheckpointHook::name_of(int64_t count) const {
  std::string name = !config_.filename_tmpl.empty() ? config_.filename_tmpl
                     : by_epoch_                    ? "epoch_{}"
                                                    : "iter_{}";
  return name.replace(name.find(kHole), kHole.size(), std::to_string(count));
}

// One hook may save by epoch and another by iteration.
std::string CheckpointHook::kept_key() const {
  return by_epoch_ ? "keep_ckpt_ids" : "keep_ckpt_ids_iter";
}

std::vector<std::string> CheckpointHook::kept() const {
  return lines(text_of(kept_key()));
}

void CheckpointHook::set_text(const std::string& key, const std::string& value) const {
  check(hub().set_text(runtime(), view(std::string_view(key)), view(std::string_view(value)), 1));
}

std::string CheckpointHook::text_of(const std::string& key) const {
  strata_str out{};
  const bool known = found(hub().text(runtime(), view(std::string_view(key)), &out));
  return known ? std::string(view(out)) : std::string();
}

}  // namespace strata::hook_basic
