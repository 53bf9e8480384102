// Base classes of data sets, transforms, samplers and metrics.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "strata/abi/data.h"
#include "strata/cpp/memory.hpp"
#include "strata/cpp/plugin.hpp"

namespace strata {

namespace detail {
STRATA_SERVICE_ID(strata_sample_api, STRATA_SAMPLE_API);
}  // namespace detail

/// One sample under construction. [worker]
class STRATA_HIDDEN Sample {
 public:
  explicit Sample(strata_sample* sample) : sample_(sample) {}

  /// Makes or remakes a field; the old memory of that field stays readable until its next make.
  strata_array make(std::string_view name, int32_t dtype, std::span<const int64_t> shape) const {
    strata_array out{};
    check(api().make(
        sample_, view(name), dtype, static_cast<int32_t>(shape.size()), shape.data(), &out));
    return out;
  }

  /// Errors: STRATA_E_NOT_FOUND naming the fields there are.
  [[nodiscard]] strata_array get(std::string_view name) const {
    strata_array out{};
    check(api().get(sample_, view(name), &out));
    return out;
  }

  /// Uniform 64 bits from the sample's own stream.
  [[nodiscard]] uint64_t random() const { return api().random(sample_); }

  /// Uniform in [0, n), exact (rejects the tail).
  [[nodiscard]] uint64_t random_below(uint64_t n) const {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t draw = random();
    while (draw >= limit) {
      draw = random();
    }
    return draw % n;
  }

  /// Uniform in [0, 1), 53 bits.
  [[nodiscard]] double random_unit() const {
    return static_cast<double>(random() >> 11U) * 0x1.0p-53;
  }

 private:
  static const strata_sample_api& api() { return service<strata_sample_api>(); }

  strata_sample* sample_;
};

class STRATA_HIDDEN Dataset : public Component {
 public:
  using KindBase = Dataset;

  /// Checks that the data is there and whole; errors: STRATA_E_CONFIG naming file and cause.
  virtual void open() = 0;
  [[nodiscard]] virtual int64_t size() const = 0;
  /// Concurrent from several workers.
  virtual void get(int64_t index, const Sample& out) const = 0;

  /// JSON table of facts (classes, …).
  [[nodiscard]] virtual std::string meta() const { return {}; }
};

class STRATA_HIDDEN Transform : public Component {
 public:
  using KindBase = Transform;

  /// Concurrent from several workers.
  virtual void apply(const Sample& sample) const = 0;
};

class STRATA_HIDDEN Sampler : public Component {
 public:
  using KindBase = Sampler;

  virtual void begin(const strata_sampler_args& args) = 0;
  /// Samples of this rank in a pass; INT64_MAX: endless.
  [[nodiscard]] virtual int64_t length() const = 0;
  virtual void set_epoch(int64_t epoch) = 0;
  /// Positions [from, from + out.size()) of this rank's pass.
  virtual void indices(int64_t from, std::span<int64_t> out, std::span<uint8_t> padding) = 0;
};

/// Looks a tensor up among named ones. Errors: STRATA_E_NOT_FOUND listing the names.
STRATA_HIDDEN inline strata_view find_view(const strata_named_tensor* items,
                                           uint64_t n,
                                           std::string_view name) {
  std::string names;
  for (uint64_t i = 0; i < n; ++i) {
    if (view(items[i].name) == name) {
      strata_view out{};
      check(service<strata_tensor_api>().view(items[i].tensor, &out));
      return out;
    }
    names += " " + std::string(view(items[i].name));
  }
  throw Error(STRATA_E_NOT_FOUND, text("no tensor \"", name, "\" among:", names));
}

class STRATA_HIDDEN Metric : public Component {
 public:
  using KindBase = Metric;

  virtual void reset() = 0;
  virtual void process(const strata_metric_batch& batch) = 0;
  /// Numbers summed over ranks, in a fixed order.
  [[nodiscard]] virtual std::vector<std::pair<std::string, double>> state() const = 0;
  [[nodiscard]] virtual std::vector<std::pair<std::string, double>> compute(
      std::span<const double> summed) const = 0;
};

namespace detail {

STRATA_HIDDEN inline void put_all(const strata_number_sink* out,
                                  const std::vector<std::pair<std::string, double>>& items) {
  for (const auto& [name, value] : items) {
    check(out->put(out->ctx, view(std::string_view(name)), value));
  }
}

struct STRATA_HIDDEN DatasetThunks {
  static Dataset& self(void* p) { return *static_cast<Dataset*>(p); }

  static strata_rc open(void* p) {
    return guarded([&] { self(p).open(); });
  }

  static strata_rc size(void* p, int64_t* out) {
    return guarded([&] { *out = self(p).size(); });
  }

  static strata_rc get(void* p, int64_t index, strata_sample* out) {
    return guarded([&] { self(p).get(index, Sample(out)); });
  }

  static strata_rc meta(void* p, const strata_text_sink* out) {
    return guarded([&] { check(out->put(out->ctx, view(std::string_view(self(p).meta())))); });
  }
};

template <>
struct KindOf<Dataset> {
  static constexpr const char* kName = STRATA_KIND_DATASET;

  static const void* table() {
    using T = DatasetThunks;
    static const strata_dataset_api api = {
        ObjectThunks<Dataset>::head<strata_dataset_api>(), &T::open, &T::size, &T::get, &T::meta};
    return &api;
  }
};

struct STRATA_HIDDEN TransformThunks {
  static strata_rc apply(void* p, strata_sample* sample) {
    return guarded([&] { static_cast<Transform*>(p)->apply(Sample(sample)); });
  }
};

template <>
struct KindOf<Transform> {
  static constexpr const char* kName = STRATA_KIND_TRANSFORM;

  static const void* table() {
    static const strata_transform_api api = {ObjectThunks<Transform>::head<strata_transform_api>(),
                                             &TransformThunks::apply};
    return &api;
  }
};

struct STRATA_HIDDEN SamplerThunks {
  static Sampler& self(void* p) { return *static_cast<Sampler*>(p); }

  static strata_rc begin(void* p, const strata_sampler_args* args) {
    return guarded([&] { self(p).begin(*args); });
  }

  static strata_rc length(void* p, int64_t* out) {
    return guarded([&] { *out = self(p).length(); });
  }

  static strata_rc set_epoch(void* p, int64_t epoch) {
    return guarded([&] { self(p).set_epoch(epoch); });
  }

  static strata_rc indices(void* p, int64_t from, int64_t n, int64_t* out, uint8_t* padding) {
    return guarded([&] {
      const auto count = static_cast<size_t>(n);
      self(p).indices(from, {out, count}, {padding, count});
    });
  }
};

template <>
struct KindOf<Sampler> {
  static constexpr const char* kName = STRATA_KIND_SAMPLER;

  static const void* table() {
    using T = SamplerThunks;
    static const strata_sampler_api api = {ObjectThunks<Sampler>::head<strata_sampler_api>(),
                                           &T::begin,
                                           &T::length,
                                           &T::set_epoch,
                                           &T::indices};
    return &api;
  }
};

struct STRATA_HIDDEN MetricThunks {
  static Metric& self(void* p) { return *static_cast<Metric*>(p); }

  static strata_rc reset(void* p) {
    return guarded([&] { self(p).reset(); });
  }

  static strata_rc process(void* p, const strata_metric_batch* batch) {
    return guarded([&] { self(p).process(*batch); });
  }

  static strata_rc state(void* p, const strata_number_sink* out) {
    return guarded([&] { put_all(out, self(p).state()); });
  }

  static strata_rc compute(void* p,
                           const double* summed,
                           uint64_t n,
                           const strata_number_sink* out) {
    return guarded([&] { put_all(out, self(p).compute({summed, n})); });
  }
};

template <>
struct KindOf<Metric> {
  static constexpr const char* kName = STRATA_KIND_METRIC;

  static const void* table() {
    using T = MetricThunks;
    static const strata_metric_api api = {ObjectThunks<Metric>::head<strata_metric_api>(),
                                          &T::reset,
                                          &T::process,
                                          &T::state,
                                          &T::compute};
    return &api;
  }
};

}  // namespace detail
}  // namespace strata
