// TokenDataset: layouts, samples, refusals.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "border/sinks.hpp"
#include "support/image_files.hpp"
#include "support/sample_host.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using DatasetObject = border::Object<strata_dataset_api>;

class TokenFiles : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return folder.path() / "text.bin"; }

  template <class T>
  void append(const std::vector<T>& values) const {
    std::ofstream(path(), std::ios::binary | std::ios::app)
        .write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(T)));
  }

  void write_header(int32_t magic, int32_t version, int32_t tokens) const {
    std::vector<int32_t> header(256);
    header[0] = magic;
    header[1] = version;
    header[2] = tokens;
    append(header);
  }

  DatasetObject make(int64_t seq_len, const std::string& dtype = {}) {
    Json config = {{"path", path().string()}, {"seq_len", seq_len}};
    if (!dtype.empty()) {
      config["dtype"] = dtype;
    }
    return plugin.create<strata_dataset_api>("TokenDataset", config.dump());
  }

  DatasetObject opened(int64_t seq_len, const std::string& dtype = {}) {
    DatasetObject out = make(seq_len, dtype);
    out.call(&strata_dataset_api::open);
    return out;
  }

  std::string refusal(int64_t seq_len = 4, const std::string& dtype = {}) {
    const DatasetObject object = make(seq_len, dtype);
    EXPECT_EQ(code_of([&] { object.call(&strata_dataset_api::open); }), STRATA_E_CONFIG);
    return error_of([&] { object.call(&strata_dataset_api::open); });
  }

  static int64_t size_of(const DatasetObject& object) {
    int64_t out = -1;
    object.call(&strata_dataset_api::size, &out);
    return out;
  }

  std::vector<int64_t> field(const DatasetObject& object, int64_t index, const char* name) {
    object.call(&strata_dataset_api::get, index, &sample);
    const strata_array& array = sample.fields.get(name);
    const auto* const values = static_cast<const int64_t*>(array.data);
    EXPECT_EQ(array.ndim, 1);
    return {values, values + array.shape[0]};
  }

  static std::string facts_of(const DatasetObject& object) {
    const border::TextSink sink;
    object.call(&strata_dataset_api::meta, sink.c());
    return sink.str();
  }

  PluginFile plugin{"dataset_tokens"};
  TempFolder folder;
  strata_sample sample;
};

TEST_F(TokenFiles, SamplesFollowEachOtherWithLabelsOneTokenOn) {
  append<uint16_t>({500, 1, 2, 3, 4, 5, 6, 7, 65535, 9});
  const DatasetObject object = opened(3);

  EXPECT_EQ(size_of(object), 3);
  EXPECT_THAT(field(object, 0, "input_ids"), ElementsAre(500, 1, 2));
  EXPECT_THAT(field(object, 0, "labels"), ElementsAre(1, 2, 3));
  EXPECT_THAT(field(object, 2, "input_ids"), ElementsAre(6, 7, 65535));
  EXPECT_THAT(field(object, 2, "labels"), ElementsAre(7, 65535, 9));
  EXPECT_EQ(data::layout_text(sample.fields.get("labels")), "i64 [3]");
}

TEST_F(TokenFiles, TheLastSampleNeedsALabelForItsLastToken) {
  append<uint16_t>({500, 1, 2, 3, 4, 5});

  EXPECT_EQ(size_of(opened(3)), 1);
  EXPECT_EQ(size_of(opened(5)), 1);
  EXPECT_THAT(refusal(6), AllOf(HasSubstr("has 6 tokens"), HasSubstr("seq_len = 6")));
}

TEST_F(TokenFiles, ReadsTheHeaderOfGpt2Tokens) {
  write_header(20240520, 1, 5);
  append<uint16_t>({9, 8, 50256, 6, 5});
  const DatasetObject object = opened(2);

  EXPECT_THAT(field(object, 1, "input_ids"), ElementsAre(50256, 6));
  EXPECT_THAT(field(object, 1, "labels"), ElementsAre(6, 5));
  EXPECT_THAT(facts_of(object), AllOf(HasSubstr("\"tokens\": 5"), HasSubstr("\"uint16\"")));
}

TEST_F(TokenFiles, ReadsTheHeaderOf32BitTokens) {
  write_header(20240801, 7, 4);
  append<uint32_t>({128000, 8, 4294967295, 6});

  EXPECT_THAT(field(opened(3), 0, "input_ids"), ElementsAre(128000, 8, 4294967295));
}

TEST_F(TokenFiles, TellsTheWidthOfRawTokensByTheirHalves) {
  for (int i = 0; i < 32; ++i) {
    append<uint32_t>({70000, 300, 128001, 5});
  }
  EXPECT_THAT(field(opened(4), 0, "input_ids"), ElementsAre(70000, 300, 128001, 5));
  EXPECT_THAT(facts_of(opened(4)), HasSubstr("\"uint32\""));

  std::filesystem::remove(path());
  for (int i = 0; i < 64; ++i) {
    append<uint16_t>({1, 0, 2, 0});  // a tiny vocabulary is no sign of 32 bits
  }
  EXPECT_THAT(field(opened(4), 0, "input_ids"), ElementsAre(1, 0, 2, 0));
  EXPECT_THAT(field(opened(2, "uint32"), 0, "input_ids"), ElementsAre(1, 2));
}

TEST_F(TokenFiles, AnAbsentOneNamesTheCommandThatMakesOne) {
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr(path().string()), HasSubstr("strata data tokenize TEXT… --out")));
}

TEST_F(TokenFiles, AnEmptyOneIsRefused) {
  append<uint16_t>({});
  EXPECT_THAT(refusal(), HasSubstr("is empty"));
}

TEST_F(TokenFiles, AnOddSizeIsRefused) {
  append<uint8_t>({1, 2, 3, 4, 5, 6, 7});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("7 bytes"), HasSubstr("uint16")));
  append<uint8_t>({8, 9, 10});
  EXPECT_THAT(refusal(4, "uint32"), AllOf(HasSubstr("10 bytes"), HasSubstr("uint32")));
}

TEST_F(TokenFiles, OneShorterOrLongerThanItsHeaderSaysIsRefused) {
  write_header(20240520, 1, 9);
  append<uint16_t>({9, 8, 7, 6, 5});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("1034 bytes"), HasSubstr("1042 are right")));
  append<uint16_t>({9, 8, 7, 6, 5});
  EXPECT_THAT(refusal(), HasSubstr("1044 bytes"));
  std::filesystem::resize_file(path(), 1000);
  EXPECT_THAT(refusal(), HasSubstr("inside its header"));
}

TEST_F(TokenFiles, AnUnknownVersionIsRefused) {
  write_header(20240520, 2, 1);
  append<uint16_t>({9});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("version 2"), HasSubstr("known is version 1")));
}

TEST_F(TokenFiles, ADtypeThatContradictsTheHeaderIsRefused) {
  write_header(20240520, 1, 5);
  append<uint16_t>({9, 8, 7, 6, 5});
  EXPECT_THAT(refusal(2, "uint32"), AllOf(HasSubstr("\"uint32\""), HasSubstr("says uint16")));
  EXPECT_EQ(size_of(opened(2, "uint16")), 2);
}

TEST_F(TokenFiles, ASampleWithoutTokensAndAnIndexOutsideAreRefused) {
  append<uint16_t>({500, 1, 2, 3, 4});
  EXPECT_THAT(error_of([&] { make(0); }), HasSubstr("seq_len = 0"));
  const DatasetObject object = opened(2);
  EXPECT_THAT(error_of([&] { object.call(&strata_dataset_api::get, int64_t{2}, &sample); }),
              HasSubstr("no sample 2; it has 2"));
  EXPECT_EQ(code_of([&] { object.call(&strata_dataset_api::get, int64_t{-1}, &sample); }),
            STRATA_E_ARGUMENT);
}

}  // namespace
}  // namespace strata::test
