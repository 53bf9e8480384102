// A strategy's contributions to the configuration.
#include "train/contribute.hpp"

#include <string>
#include <utility>
#include <vector>

#include "strata/abi/strategy.h"
#include "strata/cpp/error.hpp"

#include "border/object.hpp"
#include "border/runtime.hpp"
#include "config/parse.hpp"

namespace strata::train {
namespace {

struct Contribution {
  std::string key;
  config::Value value;
  bool yields;  // to the user's own
};

struct Collector {
  std::vector<Contribution> items;

  template <bool kYields>
  static strata_rc put(void* ctx, strata_str key, strata_str toml, strata_str where) {
    return border::guarded([&] {
      config::Origin origin;
      origin.note = std::string(border::view(where));
      static_cast<Collector*>(ctx)->items.push_back(
          {std::string(border::view(key)),
           config::parse_toml_value(border::view(toml), origin),
           kYields});
    });
  }
};

// What the host wrote because nobody had (write_defaults()).
bool is_default(const config::Value& value) {
  return value.origin().file.empty() && value.origin().note == "default";
}

void write(config::Value& root, Contribution item) {
  if (const config::Value* given = root.find(item.key); given != nullptr && !is_default(*given)) {
    if (item.yields || *given == item.value) {  // equal: a dumped configuration, which has both
      return;
    }
    throw config_error(given->where(),
                       item.key,
                       " is given here and by the strategy's own file at ",
                       item.value.where(),
                       "; keep one of them");
  }
  config::Value* table = &root;
  std::string rest = item.key;
  for (size_t dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
    const std::string segment = rest.substr(0, dot);
    rest.erase(0, dot + 1);
    config::Value* next = table->child(segment);
    table = next != nullptr ? next : &table->set(segment, config::Value());
  }
  table->set(rest, std::move(item.value));
}

}  // namespace

void add_contributions(config::Value& root,
                       const registry::Registry& registry,
                       const ContributionFacts& facts) {
  if (root.child("optim_wrapper") == nullptr) {
    return;
  }
  Collector collector;
  {
    strata_runtime nowhere;
    const auto strategy =
        registry.create<strata_strategy_api>(STRATA_KIND_STRATEGY, root.at("strategy"), &nowhere);
    const strata_config_sink sink = {&collector,
                                     &Collector::put<false>,
                                     &Collector::put<true>,
                                     facts.world_size,
                                     0,
                                     facts.micro_batch_size};
    strategy.call(&strata_strategy_api::contribute_config, &sink);
  }  // the object holds nodes of the tree that changes now
  for (Contribution& item : collector.items) {
    write(root, std::move(item));
  }
  config::seal(root);
}

}  // namespace strata::train
