// Loads the plugins and notes what their hooks do.
#include "hook_plugin.hpp"

#include <dlfcn.h>

#include "config/parse.hpp"
#include "registry/config_service.hpp"
#include "registry/host.hpp"

namespace strata::hooks {
namespace {

int32_t enabled(strata_runtime*, int32_t) {
  return 1;
}

void write(strata_runtime* rt, int32_t level, strata_str message) {
  const std::string prefix = level == STRATA_LOG_INFO      ? ""
                             : level == STRATA_LOG_WARNING ? "W "
                                                           : "E ";
  static_cast<ScriptedRun*>(rt->run)->lines.push_back(prefix + std::string(border::view(message)));
}

ScriptedRun& run_of(strata_runtime* rt) {
  return *static_cast<ScriptedRun*>(rt->run);
}

void put(
    const strata_stretch_sink* out, const char* name, float* data, size_t count, int32_t param) {
  const strata_stretch stretch = {STRATA_HDR(strata_stretch),
                                  border::view(std::string_view(name)),
                                  data,
                                  0,
                                  static_cast<int64_t>(count),
                                  param,
                                  STRATA_F32};
  border::check(out->put(out->ctx, &stretch));
}

void put_stretches(ScriptedRun& run, strata_str state, const strata_stretch_sink* sink) {
  const size_t n = run.values.size();
  if (border::view(state).empty()) {
    return put(sink, "w", run.values.data(), n, 0);
  }
  std::vector<float>& kept = run.states.find(border::view(state))->second;
  put(sink, "w", kept.data(), n, 0);
  if (kept.size() > n) {
    put(sink, "mean", kept.data() + n, kept.size() - n, -1);
  }
}

// One parameter "w" and one buffer "mean".
const strata_update_api* scripted_updates() {
  static const strata_update_api api = [] {
    strata_update_api out = {};
    out.h = STRATA_HDR(strata_update_api);
    out.add_state = [](strata_runtime* rt, strata_str name, uint32_t flags) {
      return border::guarded([&] {
        ScriptedRun& run = run_of(rt);
        const size_t buffers = (flags & STRATA_STATE_BUFFERS) != 0 ? run.buffer.size() : 0;
        run.states[std::string(border::view(name))].resize(run.values.size() + buffers);
      });
    };
    out.stretches = [](strata_runtime* rt, strata_str state, const strata_stretch_sink* sink) {
      return border::guarded([&] { put_stretches(run_of(rt), state, sink); });
    };
    out.buffers = [](strata_runtime* rt, const strata_stretch_sink* sink) {
      return border::guarded(
          [&] { put(sink, "mean", run_of(rt).buffer.data(), run_of(rt).buffer.size(), -1); });
    };
    out.values_changed = [](strata_runtime* rt) {
      run_of(rt).notes.emplace_back("values changed");
      return strata_rc{STRATA_OK};
    };
    return out;
  }();
  return &api;
}

const strata_host* host() {
  static const strata_log_api log = {STRATA_HDR(strata_log_api), &enabled, &write};
  return registry::make_host({border::error_service(), &log, registry::config_service()},
                             {{STRATA_HUB_API, hub_service()},
                              {STRATA_RUNNER_API, runner_service()},
                              {STRATA_UPDATE_API, scripted_updates()}});
}

const strata_plugin* load_plugin(const char* file) {
  void* const library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(STRATA_E_FAILED, ::dlerror());
  }
  const auto entry =
      reinterpret_cast<strata_plugin_entry_fn>(::dlsym(library, STRATA_PLUGIN_ENTRY));
  const strata_plugin* const plugin = entry();
  border::check(plugin->init(host()));
  return plugin;
}

const strata_plugin& plugin_of(const std::string& type) {
  static const strata_plugin* const basic = load_plugin(STRATA_PLUGIN_DIR "/hook_basic.so");
  static const strata_plugin* const ema = load_plugin(STRATA_PLUGIN_DIR "/hook_ema.so");
  return type == "EMAHook" ? *ema : *basic;
}

}  // namespace

std::optional<double> ScriptedRun::hyper(std::string_view name) {
  return name == "lr" ? std::optional(0.125) : std::nullopt;
}

void ScriptedRun::save_checkpoint(const SaveRequest& r) {
  if (saving_fails) {
    throw Error(STRATA_E_IO, "the disk is full");
  }
  note("save ",
       r.out_dir,
       r.out_dir.empty() ? "" : "/",
       r.name,
       r.save_optimizer ? "" : " -optimizer",
       r.save_param_scheduler ? "" : " -schedulers",
       r.update_last ? " last" : "",
       r.wait ? " waits" : "");
}

void ScriptedRun::remove_checkpoint(std::string_view out_dir, std::string_view name) {
  if (removing_fails) {
    throw Error(STRATA_E_IO, "permission denied");
  }
  note("remove ", out_dir, name);
}

std::string ScriptedRun::publish_checkpoint(std::string_view out_dir,
                                            std::string_view name,
                                            const std::vector<std::string>& keys) {
  std::string all;
  for (const std::string& key : keys) {
    all += " " + key;
  }
  note("publish ", out_dir, out_dir.empty() ? "" : "/", name, all);
  return text(name, "-0123abcd.safetensors");
}

LogLine ScriptedRun::log_after_iter(int64_t batch_idx, int32_t mode) {
  return {text("line of ", batch_idx, " in mode ", mode), {{"loss", 0.5}}};
}

LogLine ScriptedRun::log_after_epoch(int64_t batches, int32_t mode) {
  return {text("summary of ", batches, " in mode ", mode), {{"accuracy", 50}, {"time", 0.25}}};
}

void ScriptedRun::add_scalars(const Scalars& scalars, int64_t step) {
  note("scalars ", scalars.front().first, " ", scalars.front().second, " at ", step);
}

HookPluginTest::HookPluginTest() {
  runtime_.hub = &hub_;
  runtime_.run = &run_;
  run_.at.by_epoch = 1;
  run_.at.max_epochs = 3;
  run_.at.max_iters = 60;
  run_.at.epoch_length = run_.at.loop_length = 20;
}

border::Object<strata_hook_api> HookPluginTest::make(const std::string& type,
                                                     const std::string& toml) {
  const auto& table =
      tables_.emplace_back(std::make_unique<config::Value>(config::parse_toml(toml, "run.toml")));
  const strata_create_args args = {STRATA_HDR(strata_create_args),
                                   border::view(std::string_view(type)),
                                   registry::as_node(*table),
                                   &runtime_};
  strata_object object{};
  border::check(plugin_of(type).create(&args, &object));
  return {object, type};
}

void HookPluginTest::fire(const border::Object<strata_hook_api>& hook,
                          int32_t point,
                          const std::vector<std::pair<std::string, double>>& numbers,
                          int64_t batch_idx) {
  std::vector<strata_named_number> views;
  views.reserve(numbers.size());
  for (const auto& [name, value] : numbers) {
    views.push_back({border::view(std::string_view(name)), value});
  }
  strata_hook_ctx context = HookBus::empty_context();
  context.batch_idx = batch_idx;
  context.numbers = views.data();
  context.n_numbers = views.size();
  strata_hook_desc desc{};
  hook.call(&strata_hook_api::describe, &desc);
  ASSERT_NE(desc.points >> point & 1, 0U) << "the hook does not want point " << point;
  hook.call(&strata_hook_api::on, point, &context);
}

std::string HookPluginTest::refusal(const std::function<void()>& f, strata_rc code) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

}  // namespace strata::hooks
