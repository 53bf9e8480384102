// Samples of a text for language models: seq_len tokens, and the one after each.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strata/cpp/data.hpp"

#include "token_file.hpp"

namespace {

struct Config {
  std::string path;
  int64_t seq_len = 0;
  std::optional<std::string> dtype;  // empty: told from the file
};

class TokenDataset final : public strata::Dataset {
 public:
  explicit TokenDataset(Config config) : config_(std::move(config)) {
    if (config_.seq_len < 1) {
      throw strata::config_error(
          {}, "TokenDataset: seq_len = ", config_.seq_len, "; a sample has at least one token");
    }
  }

  void open() override {
    if (!std::filesystem::exists(config_.path)) {
      throw strata::config_error({},
                                 "TokenDataset found no file \"",
                                 config_.path,
                                 "\" in ",
                                 std::filesystem::current_path(),
                                 "; `strata data tokenize TEXT… --out ",
                                 config_.path,
                                 "` makes one from any text, byte by byte");
    }
    tokens::TokenFile file(config_.path, config_.dtype.value_or(""));
    if (file.count() <= config_.seq_len) {
      throw strata::config_error({},
                                 "\"",
                                 config_.path,
                                 "\" has ",
                                 file.count(),
                                 " tokens, too few for one sample of seq_len = ",
                                 config_.seq_len,
                                 " and its last label");
    }
    file_.emplace(std::move(file));
  }

  [[nodiscard]] int64_t size() const override { return (opened().count() - 1) / config_.seq_len; }

  void get(int64_t index, const strata::Sample& out) const override {
    if (index < 0 || index >= size()) {
      throw strata::Error(STRATA_E_ARGUMENT,
                          strata::text("TokenDataset has no sample ", index, "; it has ", size()));
    }
    const int64_t n = config_.seq_len;
    auto* const ids = static_cast<int64_t*>(out.make("input_ids", STRATA_I64, {&n, 1}).data);
    auto* const labels = static_cast<int64_t*>(out.make("labels", STRATA_I64, {&n, 1}).data);
    opened().read(index * n, n, ids);
    opened().read(index * n + 1, n, labels);
  }

  [[nodiscard]] std::string meta() const override {
    const std::string facts =
        file_ ? strata::text(
                    R"(, "tokens": )", file_->count(), R"(, "dtype": ")", file_->dtype(), '"')
              : "";
    return strata::text(R"({"dataset_type": "TokenDataset")", facts, "}");
  }

 private:
  [[nodiscard]] const tokens::TokenFile& opened() const {
    if (!file_) {
      throw strata::Error(STRATA_E_ARGUMENT, "TokenDataset is not open");
    }
    return *file_;
  }

  Config config_;
  std::optional<tokens::TokenFile> file_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<TokenDataset, Config>("TokenDataset")
                  .doc("Tokens of a text. Fields: input_ids i64 [seq_len], labels i64 [seq_len], "
                       "the token after each.")
                  .required("path", &Config::path, "a file of tokens, raw or as llm.c writes them")
                  .required("seq_len", &Config::seq_len, "tokens of a sample", "[1, inf)")
                  .field("dtype",
                         &Config::dtype,
                         "of the file's tokens; absent: told from the file",
                         "uint16|uint32"));
