// strata_runner_api over RunControl.
#include <algorithm>
#include <cstring>

#include "border/errors.hpp"
#include "border/runtime.hpp"
#include "hooks/run_control.hpp"

namespace strata::hooks {
namespace {

using border::guarded;
using border::view;

std::string copy(strata_str text) {
  return std::string(view(text));
}

int32_t rank(strata_runtime* rt) {
  return rt->run->rank();
}

int32_t world_size(strata_runtime* rt) {
  return rt->run->world_size();
}

strata_str work_dir(strata_runtime* rt) {
  return view(std::string_view(rt->run->work_dir()));
}

strata_str log_dir(strata_runtime* rt) {
  return view(std::string_view(rt->run->log_dir()));
}

strata_str experiment_name(strata_runtime* rt) {
  return view(std::string_view(rt->run->experiment_name()));
}

int64_t seed(strata_runtime* rt) {
  return rt->run->seed();
}

strata_rc progress(strata_runtime* rt, strata_progress* out) {
  return guarded([&] {
    strata_progress now = rt->run->progress();
    now.h = STRATA_HDR(strata_progress);
    // A plugin built before members were added has a smaller struct.
    const size_t room = std::min<size_t>(out->h.struct_size, sizeof(now));
    if (room < sizeof(strata_hdr)) {
      throw Error(STRATA_E_ARGUMENT,
                  "progress(): the header of the result is not set; use STRATA_HDR");
    }
    std::memcpy(out, &now, room);
    out->h.struct_size = static_cast<uint32_t>(room);
  });
}

void give(const std::optional<double>& value, std::string_view name, double* out) {
  if (!value) {
    throw Error(STRATA_E_NOT_FOUND, text("the run has no hyper-parameter \"", name, "\""));
  }
  *out = *value;
}

strata_rc hyper(strata_runtime* rt, strata_str name, double* out) {
  return guarded([&] { give(rt->run->hyper(view(name)), view(name), out); });
}

strata_rc base_lr(strata_runtime* rt, double* out) {
  return guarded([&] { give(rt->run->base_lr(), "base_lr", out); });
}

strata_rc set_sampler_epoch(strata_runtime* rt, int64_t epoch) {
  return guarded([&] { rt->run->set_sampler_epoch(epoch); });
}

strata_rc scheduler_step(strata_runtime* rt, int32_t when) {
  return guarded([&] { rt->run->scheduler_step(when); });
}

strata_rc save_checkpoint(strata_runtime* rt, const strata_save_args* a) {
  return guarded([&] {
    rt->run->save_checkpoint({copy(a->out_dir),
                              copy(a->name),
                              a->save_optimizer != 0,
                              a->save_param_scheduler != 0,
                              a->update_last != 0,
                              a->wait != 0});
  });
}

strata_rc remove_checkpoint(strata_runtime* rt, strata_str out_dir, strata_str name) {
  return guarded([&] { rt->run->remove_checkpoint(view(out_dir), view(name)); });
}

strata_rc refresh_checkpoint(strata_runtime* rt, strata_str out_dir, strata_str name) {
  return guarded([&] { rt->run->refresh_checkpoint(view(out_dir), view(name)); });
}

strata_rc publish_checkpoint(strata_runtime* rt,
                             strata_str out_dir,
                             strata_str name,
                             const strata_str* keys,
                             uint64_t n_keys,
                             const strata_text_sink* file) {
  return guarded([&] {
    std::vector<std::string> wanted;
    wanted.reserve(n_keys);
    for (uint64_t i = 0; i < n_keys; ++i) {
      wanted.push_back(copy(keys[i]));
    }
    const std::string path = rt->run->publish_checkpoint(view(out_dir), view(name), wanted);
    border::check(file->put(file->ctx, view(std::string_view(path))));
  });
}

strata_rc stop_training(strata_runtime* rt, strata_str reason) {
  return guarded([&] { rt->run->stop_training(view(reason)); });
}

void put(const LogLine& line, const strata_text_sink* text, const strata_number_sink* tags) {
  border::check(text->put(text->ctx, view(std::string_view(line.text))));
  for (const auto& [name, value] : line.tags) {
    border::check(tags->put(tags->ctx, view(std::string_view(name)), value));
  }
}

strata_rc log_after_iter(strata_runtime* rt,
                         int64_t batch_idx,
                         int32_t mode,
                         const strata_text_sink* line,
                         const strata_number_sink* tags) {
  return guarded([&] { put(rt->run->log_after_iter(batch_idx, mode), line, tags); });
}

strata_rc log_after_epoch(strata_runtime* rt,
                          int64_t batches,
                          int32_t mode,
                          const strata_text_sink* line,
                          const strata_number_sink* tags) {
  return guarded([&] { put(rt->run->log_after_epoch(batches, mode), line, tags); });
}

strata_rc add_scalars(
    strata_runtime* rt, const strata_str* names, const double* values, uint64_t n, int64_t step) {
  return guarded([&] {
    Scalars scalars;
    for (uint64_t i = 0; i < n; ++i) {
      scalars.emplace_back(copy(names[i]), values[i]);
    }
    rt->run->add_scalars(scalars, step);
  });
}

}  // namespace

const strata_runner_api* runner_service() {
  static const strata_runner_api api = {STRATA_HDR(strata_runner_api),
                                        &rank,
                                        &world_size,
                                        &progress,
                                        &work_dir,
                                        &log_dir,
                                        &experiment_name,
                                        &seed,
                                        &hyper,
                                        &base_lr,
                                        &set_sampler_epoch,
                                        &scheduler_step,
                                        &save_checkpoint,
                                        &remove_checkpoint,
                                        &stop_training,
                                        &log_after_iter,
                                        &log_after_epoch,
                                        &add_scalars,
                                        &refresh_checkpoint,
                                        &publish_checkpoint};
  return &api;
}

}  // namespace strata::hooks
