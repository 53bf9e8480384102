// Wrapping decisions.
#include "wrap_policy.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace strata::fsdp {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::ranges::find(list, item) != list.end();
}

class SizePolicy {
 public:
  SizePolicy(const ModelView& model, const WrapperConfig& config, std::vector<uint8_t>& wrapped)
      : model_(model), config_(config), wrapped_(wrapped), children_(model.units().size()) {
    for (size_t u = 1; u < children_.size(); ++u) {
      children_[static_cast<size_t>(model.units()[u].parent)].push_back(u);
    }
  }

  void run() { visit(0); }

 private:
  // Elements that end up wrapped in the unit and below.
  int64_t visit(size_t unit) {
    const int64_t elements = elements_in(unit);
    const std::string_view type = view(model_.units()[unit].type);
    const bool leaf = contains(config_.policy.force_leaf, type);
    if (unit != 0 && (elements < config_.policy.min_num_params || leaf)) {
      return 0;
    }
    int64_t below = 0;
    for (const size_t child : children_[unit]) {
      below += visit(child);
    }
    const bool enough = elements - below >= config_.policy.min_num_params;
    if (unit != 0 && enough && !contains(config_.policy.excluded, type)) {
      wrapped_[unit] = 1;
      return elements;
    }
    return below;
  }

  // As torch counts: every parameter reachable from the module once, shared ones in each module that has them.
  [[nodiscard]] int64_t elements_in(size_t unit) const {
    std::set<int32_t> params;
    collect(unit, params);
    int64_t sum = 0;
    for (const int32_t id : params) {
      const strata_param_desc& p = model_.params()[static_cast<size_t>(id)];
      sum += matches(config_.ignored, view(p.name)) ? 0 : p.numel;
    }
    return sum;
  }

  void collect(size_t unit, std::set<int32_t>& out) const {
    const strata_unit_desc& desc = model_.units()[unit];
    out.insert(desc.params, desc.params + desc.n_params);
    out.insert(desc.borrowed, desc.borrowed + desc.n_borrowed);
    for (const size_t child : children_[unit]) {
      collect(child, out);
    }
  }

  const ModelView& model_;
  const WrapperConfig& config_;
  std::vector<uint8_t>& wrapped_;
  std::vector<std::vector<size_t>> children_;
};

void wrap_by_module(const ModelView& model,
                    const WrapPolicy& policy,
                    std::vector<uint8_t>& wrapped) {
  for (size_t u = 1; u < wrapped.size(); ++u) {
    const strata_unit_desc& unit = model.units()[u];
    wrapped[u] =
        contains(policy.classes, view(unit.type)) || matches(policy.names, view(unit.name)) ? 1 : 0;
  }
}

}  // namespace

std::vector<int32_t> wrap_units(const ModelView& model, const WrapperConfig& config) {
  using Kind = WrapPolicy::Kind;
  const size_t n = model.units().size();
  std::vector<uint8_t> wrapped(n, config.policy.kind == Kind::kAlways ? 1 : 0);
  wrapped[0] = 1;
  if (config.policy.kind == Kind::kSize) {
    SizePolicy(model, config, wrapped).run();
  } else if (config.policy.kind == Kind::kModules) {
    wrap_by_module(model, config.policy, wrapped);
  }
  std::vector<int32_t> owners(n, 0);
  for (size_t u = 1; u < n; ++u) {  // parents come before children
    owners[u] = wrapped[u] != 0 ? static_cast<int32_t>(u)
                                : owners[static_cast<size_t>(model.units()[u].parent)];
  }
  return owners;
}

}  // namespace strata::fsdp
