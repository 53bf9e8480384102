// Tests of published files, and of averages in the places of weights.
#include "checkpoint/publish.hpp"

#include <array>
#include <cstring>
#include <span>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "strata/abi/core.h"

#include "checkpoint/averaged_reader.hpp"
#include "checkpoint/checkpoint_dir.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/sha256.hpp"
#include "checkpoint/shard_file.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class Publish : public TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    save("epoch_1");
  }

  /// Weights 1 2 and 3, an average of the first, an optimizer's state.
  void save(const std::string& name) const {
    NewCheckpoint made(dir_ / name);
    const auto bytes = [&](size_t i) { return std::as_bytes(std::span(numbers_)).data() + 4 * i; };
    std::vector<Index> parts;
    parts.push_back(write_shard(made.folder(),
                                "model.safetensors",
                                {{"w", STRATA_F32, {2}, Kind::kParam, 0, 2, bytes(0)},
                                 {"mean", STRATA_F32, {1}, Kind::kBuffer, 0, 1, bytes(2)}}));
    parts.push_back(write_shard(made.folder(),
                                "optimizer.safetensors",
                                {{"w.ema", STRATA_F32, {2}, Kind::kState, 0, 2, bytes(3)},
                                 {"w.exp_avg", STRATA_F32, {2}, Kind::kState, 0, 2, bytes(5)}}));
    made.publish(merge(std::move(parts)),
                 R"({"meta": {"epoch": 1}, "seed": 3, "message_hub": "{\"a\":1}"})");
  }

  static std::vector<float> floats(const SafetensorsFile& file, const std::string& name) {
    const auto data = file.data(*file.find(name));
    std::vector<float> out(data.size() / sizeof(float));
    std::memcpy(out.data(), data.data(), data.size());
    return out;
  }

  const std::array<float, 7> numbers_ = {1, 2, 3, 10, 20, 100, 200};
};

TEST_F(Publish, TakesAveragesForWeightsAndNamesTheFileByItsContent) {
  const fs::path file = publish(dir_ / "epoch_1", {"state_dict"});

  const SafetensorsFile read(file);
  EXPECT_EQ(read.tensors().size(), 2U);
  EXPECT_THAT(floats(read, "w"), ElementsAre(10, 20));
  EXPECT_THAT(floats(read, "mean"), ElementsAre(3));
  EXPECT_EQ(read.metadata(), (Metadata{{"format", "pt"}}));
  EXPECT_EQ(file, dir_ / ("epoch_1-" + sha256_of(file).substr(0, 8) + ".safetensors"));
}

TEST_F(Publish, PutsOtherPartsBehindTheirKeys) {
  const SafetensorsFile read(publish(
      dir_ / "epoch_1",
      {"state_dict", "ema_state_dict", "optimizer", "meta", "message_hub", "param_schedulers"}));

  std::vector<std::string> names;
  for (const TensorInfo& info : read.tensors()) {
    names.push_back(info.name);
  }
  EXPECT_THAT(names, UnorderedElementsAre("w", "mean", "ema_state_dict.w", "optimizer.w.exp_avg"));
  EXPECT_THAT(floats(read, "ema_state_dict.w"), ElementsAre(1, 2));
  EXPECT_EQ(read.metadata().at("meta"), R"({"epoch":1,"seed":3})");
  EXPECT_EQ(read.metadata().at("message_hub"), R"({"a":1})");
  EXPECT_FALSE(read.metadata().contains("param_schedulers"));
}

TEST_F(Publish, LeavesOutTheEndingOfMMEnginesNames) {
  save("e1.pth");

  EXPECT_THAT(publish(dir_ / "e1.pth/", {"state_dict"}).filename().string(),
              testing::StartsWith("e1-"));
}

TEST_F(Publish, RefusesWhatACheckpointHasNot) {
  EXPECT_EQ(error_of([&] { publish(dir_ / "epoch_1", {"weights"}); }).code(), STRATA_E_ARGUMENT);
  EXPECT_EQ(error_of([&] { publish(dir_ / "epoch_2", {"meta"}); }).code(), STRATA_E_NOT_FOUND);
}

TEST_F(Publish, SaysTheWellKnownDigest) {
  const fs::path file = write("abc", "abc");  // FIPS 180-2, appendix B.1

  EXPECT_EQ(sha256_of(file), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_THAT(error_of([&] { static_cast<void>(sha256_of(dir_ / "no")); }).message(),
              HasSubstr("no"));
}

TEST_F(Publish, AveragedReaderReadsStretchesAndCounts) {
  const AveragedReader reader(dir_ / "epoch_1", "ema");
  const AveragedReader other(dir_ / "epoch_1", "swa");
  float second = 0;

  reader.read(reader.tensors()[0].name == "w" ? 0 : 1, 1, 1, &second);

  EXPECT_EQ(second, 20);
  EXPECT_EQ(reader.averages(), 1);
  EXPECT_EQ(other.averages(), 0);
  EXPECT_EQ(reader.tensors().size(), 2U);
}

}  // namespace
}  // namespace strata::checkpoint
