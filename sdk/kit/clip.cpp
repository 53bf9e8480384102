// Gradient clipping.
#include "strata/kit/clip.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace strata::kit {
namespace {

double positive(const Node& table, const char* key) {
  const Node value = table.find(key);
  if (!value) {
    throw config_error(table.where(), "clip_grad wants ", key);
  }
  const double out = value.as_float();
  if (!(out > 0)) {
    throw config_error(value.where(), "clip_grad.", key, " must be above 0, is ", out);
  }
  return out;
}

// "inf" stands for the largest element.
double norm_type(const Node& value) {
  const double p = value.is_text() && value.as_text() == "inf"
                       ? std::numeric_limits<double>::infinity()
                       : value.as_float();
  if (!(p >= 1)) {
    throw config_error(value.where(), "clip_grad.norm_type must be at least 1 or inf, is ", p);
  }
  return p;
}

template <size_t N>
void refuse_others(const Node& table, const std::array<std::string_view, N>& known) {
  for (uint64_t i = 0; i < table.size(); ++i) {
    const auto [key, value] = table.entry(i);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw config_error(value.where(),
                         "unknown key \"",
                         key,
                         "\" in clip_grad of type \"",
                         known.size() == 2 ? "value" : "norm",
                         "\"");
    }
  }
}

}  // namespace

Clip read_clip(const Node& node) {
  Clip clip;
  if (!node) {
    return clip;
  }
  if (!node.is_table() || node.size() == 0) {
    throw config_error(node.where(),
                       "clip_grad is a table such as {max_norm = 1.0}; leave it out not to clip");
  }
  const Node type_node = node.find("type");
  const std::string type = type_node ? type_node.as_text() : "norm";
  if (type == "value") {
    refuse_others(node, std::array<std::string_view, 2>{"type", "clip_value"});
    clip.kind = Clip::Kind::kValue;
    clip.limit = positive(node, "clip_value");
    return clip;
  }
  if (type != "norm") {
    throw config_error(
        type_node.where(), R"(clip_grad.type is "norm" or "value", not ")", type, '"');
  }
  refuse_others(
      node, std::array<std::string_view, 4>{"type", "max_norm", "norm_type", "error_if_nonfinite"});
  clip.kind = Clip::Kind::kNorm;
  clip.limit = positive(node, "max_norm");
  if (const Node p = node.find("norm_type")) {
    clip.norm_type = norm_type(p);
  }
  if (const Node strict = node.find("error_if_nonfinite")) {
    clip.error_if_nonfinite = strict.as_bool();
  }
  return clip;
}

Clipped clip_gradients(const Clip& clip, strata_runtime* rt) {
  Clipped out{std::numeric_limits<double>::quiet_NaN(), true};
  const auto& update = service<strata_update_api>();
  if (clip.kind == Clip::Kind::kValue) {
    check(update.clamp_grads(rt, clip.limit));
  }
  if (clip.kind != Clip::Kind::kNorm) {
    return out;
  }
  check(update.grad_norm(rt, clip.norm_type, &out.norm));
  out.usable = std::isfinite(out.norm);
  if (!out.usable && clip.error_if_nonfinite) {
    throw run_error("the gradients' norm is ",
                    out.norm,
                    " and clip_grad.error_if_nonfinite is set; lower the learning rate or look for "
                    "the layer that "
                    "overflows");
  }
  const double factor =
      clip.limit / (out.norm + 1e-6);  // as torch, which keeps the quotient finite so
  if (out.usable && factor < 1) {
    check(update.scale_grads(rt, factor));
  }
  return out;
}

}  // namespace strata::kit
