// A data set and the transforms its samples pass through: index in, finished sample out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "border/object.hpp"
#include "data/sample.hpp"

namespace strata::data {

/// What names one look at one sample; its random stream comes from this and nothing else.
struct SampleKey {
  int64_t seed = 0;
  int64_t epoch = 0;
  int64_t round = 0;  // of an endless pass over the data; 0 in a pass that ends
  int64_t index = 0;
};

class Pipeline {
 public:
  /// where: the place of the data set's table in the config, for errors of open() that name none.
  Pipeline(border::Object<strata_dataset_api> dataset,
           std::vector<border::Object<strata_transform_api>> transforms,
           std::string where);

  /// Lets the data set check its files. Errors: STRATA_E_CONFIG; also when it is empty. [main]
  void open();

  /// Samples; after open().
  [[nodiscard]] int64_t size() const { return size_; }

  /// JSON table of facts about the data set (classes, …); may be empty.
  [[nodiscard]] std::string meta() const;

  [[nodiscard]] const std::string& type() const { return dataset_.type(); }

  [[nodiscard]] const std::string& where() const { return where_; }

  /// Fills `out` with the sample; aims set on its fields hold. Concurrent for different `out`.
  /// [worker] Errors: the data set's or transform's own, with its name and the index added.
  void make(const SampleKey& key, strata_sample& out) const;

 private:
  void apply_transforms(strata_sample& sample) const;

  border::Object<strata_dataset_api> dataset_;
  std::vector<border::Object<strata_transform_api>> transforms_;
  std::string where_;
  int64_t size_ = 0;
};

}  // namespace strata::data
