// The names under which users know Adam, each with its library's arguments and defaults.

#include <optional>
#include <string>

#include "strata/abi.h"
#include "strata/kit/optimizer_checks.hpp"

#include "adam.hpp"

namespace {

using strata::optimizer_adam::AdamBase;
using strata::optimizer_adam::AdamSettings;

// --- torch

struct AdamConfig : AdamSettings {};

struct AdamWConfig : AdamSettings {
  AdamWConfig() {
    weight_decay = 1e-2;
    decoupled = true;
  }
};

struct Adam : AdamBase {
  explicit Adam(const AdamConfig& config) : AdamBase(config) {}
};

struct AdamW : AdamBase {
  explicit AdamW(const AdamWConfig& config) : AdamBase(config) {}
};

// --- ColossalAI and DeepSpeed, whose names choose an implementation; here there is one

struct HybridConfig : AdamSettings {
  HybridConfig() { decoupled = true; }

  double nvme_offload_fraction = 0;
  std::optional<std::string> nvme_offload_dir;
};

struct FusedConfig : AdamSettings {
  FusedConfig() { decoupled = true; }

  std::optional<bool> adam_w_mode;
  bool set_grad_none = true;
};

struct DeepSpeedCpuConfig : AdamSettings {
  DeepSpeedCpuConfig() { decoupled = true; }

  bool fp32_optimizer_states = true;
};

struct HybridAdam : AdamBase {
  explicit HybridAdam(const HybridConfig& config) : AdamBase(config) {
    if (config.nvme_offload_fraction != 0) {
      throw strata::config_error(
          "",
          "nvme_offload_fraction = ",
          config.nvme_offload_fraction,
          " is not supported: the states stay in memory. Leave it out; a strategy that shards them "
          "over more ranks (FSDPStrategy, DeepSpeedStrategy, ColossalAIStrategy) needs less of it");
    }
  }
};

struct FusedAdam : AdamBase {
  explicit FusedAdam(const FusedConfig& config) : AdamBase(settings(config)) {}

 private:
  static AdamSettings settings(const FusedConfig& config) {
    AdamSettings out = config;
    out.decoupled = config.adam_w_mode.value_or(config.decoupled);
    return out;
  }
};

struct DeepSpeedCpuAdam : AdamBase {
  explicit DeepSpeedCpuAdam(const DeepSpeedCpuConfig& config) : AdamBase(config) {
    strata::kit::check_fp32_states(config.fp32_optimizer_states);
  }
};

template <class T, class Config>
auto adam(const char* name, const char* doc) {
  return strata::exported<T, Config>(name)
      .doc(doc)
      .field("lr", &Config::lr, "learning rate", "[0, inf)")
      .field("betas",
             &Config::betas,
             "decay of the running means of gradient and squared gradient, each in [0, 1)")
      .field("eps", &Config::eps, "added to the denominator", "[0, inf)")
      .field(
          "weight_decay", &Config::weight_decay, "share of the value that is taken off", "[0, inf)")
      .field("amsgrad", &Config::amsgrad, "divide by the largest second moment so far");
}

template <class T, class Config>
auto of_torch(const char* name, const char* doc) {
  return adam<T, Config>(name, doc).field(
      "maximize", &Config::maximize, "climb instead of descend");
}

template <class T, class Config>
auto native(const char* name, const char* doc) {
  return adam<T, Config>(name, doc)
      .field("bias_correction", &Config::bias_correction, "divide the means by 1 - beta^step")
      .field("adamw_mode",
             &Config::decoupled,
             "true: AdamW; false: weight decay is added to the gradient");
}

template <class T, class Config = HybridConfig>
auto hybrid(const char* name, const char* doc) {
  return native<T, Config>(name, doc)
      .field("nvme_offload_fraction", &Config::nvme_offload_fraction, "refused above 0")
      .field("nvme_offload_dir", &Config::nvme_offload_dir, "of an offload that is off");
}

struct CpuAdam : HybridAdam {
  using HybridAdam::HybridAdam;
};

}  // namespace

STRATA_PLUGIN((of_torch<AdamW, AdamWConfig>("AdamW", "Adam with decoupled weight decay")),
              (of_torch<Adam, AdamConfig>("Adam", "Adam; weight decay is added to the gradient")),
              hybrid<HybridAdam>("HybridAdam", "Adam with ColossalAI's arguments"),
              hybrid<CpuAdam>("CPUAdam", "the same as HybridAdam"),
              (native<FusedAdam, FusedConfig>("FusedAdam", "Adam with Apex's arguments; on the CPU")
                   .field("adam_w_mode", &FusedConfig::adam_w_mode, "another name of adamw_mode")
                   .field("set_grad_none",
                          &FusedConfig::set_grad_none,
                          "accepted; gradients are always given up after an update")),
              (native<DeepSpeedCpuAdam, DeepSpeedCpuConfig>("DeepSpeedCPUAdam",
                                                            "Adam with DeepSpeed's arguments")
                   .field("fp32_optimizer_states",
                          &DeepSpeedCpuConfig::fp32_optimizer_states,
                          "false is refused")));
