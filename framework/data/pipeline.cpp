// Data set and transforms in a row.
#include "data/pipeline.hpp"

#include <utility>

#include "border/sinks.hpp"

namespace strata::data {

Pipeline::Pipeline(border::Object<strata_dataset_api> dataset,
                   std::vector<border::Object<strata_transform_api>> transforms,
                   std::string where)
    : dataset_(std::move(dataset)), transforms_(std::move(transforms)), where_(std::move(where)) {}

void Pipeline::open() {
  try {
    dataset_.call(&strata_dataset_api::open);
    dataset_.call(&strata_dataset_api::size, &size_);
  } catch (const Error& e) {
    throw Error(e.code(), e.message(), e.where().empty() ? where_ : e.where());
  }
  if (size_ <= 0) {
    throw config_error(where_, "the data set ", type(), " is empty");
  }
}

std::string Pipeline::meta() const {
  const border::TextSink sink;
  dataset_.call(&strata_dataset_api::meta, sink.c());
  return sink.str();
}

void Pipeline::make(const SampleKey& key, strata_sample& out) const {
  out.random = RandomStream(stream_key({key.seed, key.epoch, key.round, key.index}));
  try {
    dataset_.call(&strata_dataset_api::get, key.index, &out);
    apply_transforms(out);
  } catch (Error& e) {
    e.add_context(text("while making sample ", key.index, " of ", type()));
    throw;
  }
}

void Pipeline::apply_transforms(strata_sample& sample) const {
  for (size_t i = 0; i < transforms_.size(); ++i) {
    try {
      transforms_[i].call(&strata_transform_api::apply, &sample);
    } catch (Error& e) {
      e.add_context(text("in transforms[", i, "], ", transforms_[i].type()));
      throw;
    }
  }
}

}  // namespace strata::data
