// Top-k accuracy, counted in whole samples.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "strata/cpp/data.hpp"

namespace {

struct Config {
  strata::Node topk;
};

struct ReleaseTensor {
  void operator()(strata_tensor* t) const { strata::service<strata_tensor_api>().release(t); }
};

using OwnTensor = std::unique_ptr<strata_tensor, ReleaseTensor>;

double read_logit(const strata_view& logits, int64_t row, int64_t column) {
  const int64_t at = row * logits.stride[0] + column * logits.stride[1];
  return logits.dtype == STRATA_F64
             ? static_cast<const double*>(logits.data)[at]
             : static_cast<double>(static_cast<const float*>(logits.data)[at]);
}

/// How many classes come before the label when logits are sorted in descending order, equal ones by
/// number. A NaN comes before everything, as in LibTorch's sort.
int64_t classes_ahead(const strata_view& logits, int64_t row, int64_t label) {
  const double own = read_logit(logits, row, label);
  int64_t ahead = 0;
  for (int64_t c = 0; c < logits.shape[1]; ++c) {
    const double other = read_logit(logits, row, c);
    const bool behind = other < own || (other == own && c >= label);
    ahead += behind ? 0 : 1;
  }
  return ahead;
}

class Accuracy final : public strata::Metric {
 public:
  explicit Accuracy(const Config& config) {
    if (!config.topk) {
      topk_ = {1};
    } else if (config.topk.is_list()) {
      for (uint64_t i = 0; i < config.topk.size(); ++i) {
        topk_.push_back(config.topk.entry(i).second.as_int());
      }
      listed_ = true;
    } else {
      topk_ = {config.topk.as_int()};
    }
    check_topk(config.topk);
    reset();
  }

  void reset() override {
    correct_.assign(topk_.size(), 0);
    count_ = 0;
  }

  void process(const strata_metric_batch& batch) override {
    OwnTensor copy;
    const strata_view logits = read_logits(batch, copy);
    const strata_view labels = strata::find_view(batch.batch, batch.n_batch, "label");
    check_shapes(logits, labels, batch.valid);
    for (int64_t row = 0; row < batch.valid; ++row) {
      const int64_t ahead = classes_ahead(logits, row, read_label(labels, row, logits.shape[1]));
      for (size_t i = 0; i < topk_.size(); ++i) {
        correct_[i] += ahead < topk_[i] ? 1 : 0;
      }
    }
    count_ += batch.valid;
  }

  [[nodiscard]] std::vector<std::pair<std::string, double>> state() const override {
    std::vector<std::pair<std::string, double>> out = {{"count", static_cast<double>(count_)}};
    for (size_t i = 0; i < topk_.size(); ++i) {
      out.emplace_back("correct_top" + std::to_string(topk_[i]), static_cast<double>(correct_[i]));
    }
    return out;
  }

  [[nodiscard]] std::vector<std::pair<std::string, double>> compute(
      std::span<const double> summed) const override {
    if (summed.size() != topk_.size() + 1) {
      throw strata::Error(
          STRATA_E_ARGUMENT,
          strata::text(
              "Accuracy has a state of ", topk_.size() + 1, " numbers, not ", summed.size()));
    }
    if (summed[0] <= 0) {
      throw strata::run_error("Accuracy saw no samples");
    }
    std::vector<std::pair<std::string, double>> out;
    for (size_t i = 0; i < topk_.size(); ++i) {
      const std::string suffix = listed_ ? "_top" + std::to_string(topk_[i]) : "";
      out.emplace_back("accuracy" + suffix, 100.0 * summed[i + 1] / summed[0]);
    }
    return out;
  }

 private:
  void check_topk(const strata::Node& node) const {
    if (topk_.empty()) {
      throw strata::config_error(node.where(), "topk is an empty list; give at least one number");
    }
    for (const int64_t k : topk_) {
      if (k < 1) {
        throw strata::config_error(node.where(), "topk has ", k, "; it must be at least 1");
      }
    }
    if (node) {
      node.mark_read();
    }
  }

  /// `copy` holds what the view shows when the logits had to be converted.
  strata_view read_logits(const strata_metric_batch& batch, OwnTensor& copy) const {
    if (batch.n_outputs == 0) {
      throw strata::run_error(
          "Accuracy got no outputs of the model; PREDICT must give logits [B, C]");
    }
    const strata_named_tensor* chosen = batch.outputs;
    for (uint64_t i = 0; i < batch.n_outputs; ++i) {
      if (strata::view(batch.outputs[i].name) == "logits") {
        chosen = &batch.outputs[i];
      }
    }
    const auto& api = strata::service<strata_tensor_api>();
    strata_view out{};
    strata::check(api.view(chosen->tensor, &out));
    if (out.dtype != STRATA_F32 && out.dtype != STRATA_F64) {
      strata_tensor* made = nullptr;
      strata::check(api.make(runtime(), STRATA_F32, out.ndim, out.shape, &made));
      copy.reset(made);
      strata::check(api.copy(made, chosen->tensor, nullptr));
      strata::check(api.view(made, &out));
    }
    return out;
  }

  void check_shapes(const strata_view& logits, const strata_view& labels, int64_t valid) const {
    if (logits.device.type != STRATA_CPU || labels.device.type != STRATA_CPU) {
      throw strata::Error(STRATA_E_ARGUMENT,
                          "Accuracy reads tensors on the CPU; the host must bring them there");
    }
    if (logits.ndim != 2 || labels.ndim != 1 || labels.shape[0] != logits.shape[0]) {
      throw strata::run_error("Accuracy wants logits [B, C] and label [B]; it got ",
                              shape_text(logits),
                              " and ",
                              shape_text(labels));
    }
    if (valid < 0 || valid > logits.shape[0]) {
      throw strata::Error(
          STRATA_E_ARGUMENT,
          strata::text("a batch of ", logits.shape[0], " cannot have ", valid, " valid samples"));
    }
    for (const int64_t k : topk_) {
      if (k > logits.shape[1]) {
        throw strata::run_error(
            "Accuracy has topk ", k, ", but the model tells ", logits.shape[1], " classes apart");
      }
    }
  }

  static std::string shape_text(const strata_view& view) {
    std::string out = "[";
    for (int32_t i = 0; i < view.ndim; ++i) {
      out += (i == 0 ? "" : ", ") + std::to_string(view.shape[i]);
    }
    return out + "]";
  }

  static int64_t read_label(const strata_view& labels, int64_t row, int64_t classes) {
    if (labels.dtype != STRATA_I64 && labels.dtype != STRATA_I32) {
      throw strata::run_error("Accuracy wants labels of dtype i64 or i32; they have dtype ",
                              labels.dtype);
    }
    const int64_t at = row * labels.stride[0];
    const int64_t label = labels.dtype == STRATA_I64 ? static_cast<const int64_t*>(labels.data)[at]
                                                     : static_cast<const int32_t*>(labels.data)[at];
    if (label < 0 || label >= classes) {
      throw strata::run_error("sample ",
                              row,
                              " of the batch has label ",
                              label,
                              "; the logits are for 0 to ",
                              classes - 1);
    }
    return label;
  }

  std::vector<int64_t> topk_;
  bool listed_ = false;  // topk was a list: names carry the k
  std::vector<int64_t> correct_;
  int64_t count_ = 0;
};

}  // namespace

STRATA_PLUGIN(strata::exported<Accuracy, Config>("Accuracy")
                  .doc("100 * correct / count. Metric accuracy, or accuracy_top<k> for a list.")
                  .field("topk",
                         &Config::topk,
                         "how many of the largest logits may hit: a number or a list; 1 "
                         "without it"));
