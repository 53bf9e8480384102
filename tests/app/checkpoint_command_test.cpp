// strata checkpoint inspect | verify | convert, on what the program itself has saved and on what others have.
#include <cstring>
#include <fstream>
#include <map>
#include <tuple>

#include "checkpoint/tensor_reader.hpp"
#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kSharded = "strategy = { type = \"FSDPStrategy\" }\n";

/// Dtype, shape and bytes of a tensor.
using Stored = std::map<std::string, std::tuple<int32_t, std::vector<int64_t>, std::string>>;

Stored stored_in(const fs::path& path) {
  const auto file = checkpoint::open_tensors(path);
  Stored out;
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const checkpoint::StoredTensor& t = file->tensors()[i];
    std::string bytes(static_cast<size_t>(t.elements() * 8), '\0');  // room for any type
    file->read(i, 0, t.elements(), bytes.data());
    out[t.name] = {t.dtype, t.shape, bytes};
  }
  return out;
}

std::vector<std::string> keys(const Stored& stored) {
  std::vector<std::string> out;
  for (const auto& [name, value] : stored) {
    out.push_back(name);
  }
  return out;
}

class CheckpointCommand : public Scene {
 protected:
  /// work/iter_3, by two ranks with a shard each.
  void save() const {
    train(config(kSharded + std::string(kThreeIterations)), "work", {"--nproc", "2"});
  }

  [[nodiscard]] Outcome checkpoint(std::vector<std::string> args) const {
    args.insert(args.begin(), "checkpoint");
    return run_strata(std::move(args));
  }

  [[nodiscard]] Outcome python(std::vector<std::string> args) const {
    args.insert(args.begin(), STRATA_TEST_PYTHON);
    return run({args, {}, path().string()});
  }

  [[nodiscard]] bool python_has(const std::string& module) const {
    return !std::string_view(STRATA_TEST_PYTHON).empty() &&
           python({"-c", "import " + module}).code == 0;
  }
};

TEST_F(CheckpointCommand, InspectListsTensorsFilesAndCounters) {
  save();

  const Outcome outcome = checkpoint({"inspect", "work/iter_3"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("work/iter_3: a checkpoint by 2 rank(s), epoch 0, iter 3, step 3\n"),
                    HasSubstr("param   F32    192.0 KiB  [16, 3072] in 2 pieces\n"),
                    HasSubstr(".exp_avg_sq"),
                    HasSubstr("  model-00001-of-00002.safetensors  ")));
}

TEST_F(CheckpointCommand, InspectForProgramsIsJson) {
  save();

  const Outcome outcome = checkpoint({"inspect", "--json", "work/iter_3"});

  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto found = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(found["world_size"], 2);
  EXPECT_EQ(found["counters"]["iter"], 3);
  int64_t bytes = 0;
  for (const auto& tensor : found["tensors"]) {
    bytes += tensor["bytes"].get<int64_t>();
  }
  EXPECT_EQ(found["totals"]["bytes"], bytes);
  EXPECT_EQ(found["totals"]["tensors"], found["tensors"].size());
}

TEST_F(CheckpointCommand, InspectTakesFilesOfWeights) {
  save();
  std::ignore = checkpoint({"convert", "work/iter_3", "one.safetensors"});

  const Outcome outcome = checkpoint({"inspect", "one.safetensors"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("one.safetensors: a safetensors file\n"), HasSubstr("[16, 3072]\n")));
}

TEST_F(CheckpointCommand, VerifyNamesTheFileAndTensorOfAFlippedBit) {
  save();
  EXPECT_EQ(checkpoint({"verify", "work/iter_3"}).code, 0);
  const fs::path file = path("work/iter_3/model-00002-of-00002.safetensors");
  std::string bytes = read_text(file);
  bytes[bytes.size() - 9] ^= 4;
  write_text(file, bytes);

  const Outcome outcome = checkpoint({"verify", "work/iter_3"});

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("model-00002-of-00002.safetensors"), HasSubstr("is damaged")));
}

TEST_F(CheckpointCommand, VerifyFindsDamageInIndexAndState) {
  for (const char* name : {"index.json", "state.json"}) {
    save();
    const fs::path file = path("work/iter_3") / name;
    std::string text = read_text(file);
    text[text.size() / 2] ^= 1;
    write_text(file, text);

    const Outcome outcome = checkpoint({"verify", "work/iter_3"});

    EXPECT_EQ(outcome.code, 1) << name;
    EXPECT_THAT(outcome.err, HasSubstr(name));
  }
}

TEST_F(CheckpointCommand, VerifyFindsAFileThatIsCutShort) {
  save();
  std::ignore = checkpoint({"convert", "work/iter_3", "one.safetensors"});
  EXPECT_EQ(checkpoint({"verify", "one.safetensors"}).code, 0);
  fs::resize_file(path("one.safetensors"), fs::file_size(path("one.safetensors")) - 1);

  const Outcome outcome = checkpoint({"verify", "one.safetensors"});

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("one.safetensors"));
}

TEST_F(CheckpointCommand, ConvertKeepsEveryBit) {
  save();
  const Stored saved = stored_in(path("work/iter_3"));

  const Outcome one = checkpoint({"convert", "work/iter_3", "one.safetensors"});
  const Outcome many =
      checkpoint({"convert", "one.safetensors", "folder", "--max-shard-size", "100KB"});

  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(many.code, 0) << many.err;
  EXPECT_EQ(stored_in(path("one.safetensors")), saved);
  EXPECT_TRUE(fs::exists(path("folder/model.safetensors.index.json")));
  EXPECT_EQ(stored_in(path("folder")), saved);
}

TEST_F(CheckpointCommand, ConvertedWeightsAreWhatTrainingStartsFrom) {
  save();
  std::ignore = checkpoint({"convert", "work/iter_3", "folder", "--max-shard-size", "100KB"});
  const std::string file = config(kSharded + std::string(kThreeIterations));

  train(file, "a", {"--load-from", "work/iter_3"});
  train(file, "b", {"--load-from", "folder"});

  EXPECT_EQ(series("a", "loss"), series("b", "loss"));
}

TEST_F(CheckpointCommand, ConvertCastsWhenAsked) {
  save();

  const Outcome outcome =
      checkpoint({"convert", "work/iter_3", "half.safetensors", "--dtype", "bf16"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(checkpoint({"inspect", "half.safetensors"}).out,
              HasSubstr("BF16    96.0 KiB  [16, 3072]\n"));
}

TEST_F(CheckpointCommand, ConvertReplacesNothingUnasked) {
  save();
  write_text(path("one.safetensors"), "mine");

  const Outcome refused = checkpoint({"convert", "work/iter_3", "one.safetensors"});
  const Outcome itself = checkpoint({"convert", "work/iter_3", "work", "--force"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("one.safetensors is there already; replace it with --force"));
  EXPECT_EQ(itself.code, 2);
  EXPECT_THAT(itself.err, HasSubstr("holds what is to be read"));
  EXPECT_EQ(read_text(path("one.safetensors")), "mine");

  EXPECT_EQ(checkpoint({"convert", "work/iter_3", "one.safetensors", "--force"}).code, 0);
  EXPECT_EQ(stored_in(path("one.safetensors")), stored_in(path("work/iter_3")));
}

TEST_F(CheckpointCommand, ConvertAsksForAFormatThatTheNameDoesNotTell) {
  save();

  const Outcome outcome = checkpoint({"convert", "work/iter_3", "weights.dat"});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("say which it is to be by --format"));
}

TEST_F(CheckpointCommand, NamesTheToolForCheckpointsThatNeedPython) {
  for (const char* name : {"zero1", "zero3", "fsdp"}) {
    for (const char* command : {"inspect", "verify"}) {
      const std::string folder = std::string(STRATA_GOLDEN_DIR "/imported/") + name;
      const Outcome outcome = checkpoint({command, folder});

      EXPECT_EQ(outcome.code, 2) << name;
      EXPECT_THAT(outcome.err, HasSubstr("python3 scripts/import_checkpoint.py " + folder));
    }
  }
}

TEST_F(CheckpointCommand, ConvertsWhatFsdpGathersIntoOneFile) {
  for (const char* name : {"fsdp1_full", "fsdp2_full"}) {
    const std::string file = std::string(STRATA_GOLDEN_DIR "/imported/") + name;

    ASSERT_EQ(checkpoint({"convert", file + ".pth", "out.safetensors", "--force"}).code, 0) << name;

    EXPECT_EQ(stored_in(path("out.safetensors")), stored_in(file + ".safetensors")) << name;
  }
}

// --- with Python ------------------------------------------------------------------------------------------------------

class Imported : public CheckpointCommand, public testing::WithParamInterface<const char*> {};

// Folders that DeepSpeed and PyTorch wrote, and what their own tools read in them (tests/golden/imported/generate.py).
TEST_P(Imported, HasTheWeightsThatTheOriginalReads) {
  if (!python_has("torch")) {
    GTEST_SKIP() << "no Python with torch beside this LibTorch";
  }
  const std::string folder = std::string(STRATA_GOLDEN_DIR "/imported/") + GetParam();

  const Outcome outcome = python({STRATA_IMPORT_TOOL, folder, "out.safetensors"});

  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Stored expected = stored_in(folder + ".safetensors");
  const Stored got = stored_in(path("out.safetensors"));
  EXPECT_EQ(keys(got), keys(expected));
  EXPECT_EQ(got, expected);
  EXPECT_EQ(checkpoint({"verify", "out.safetensors"}).code, 0);
}

INSTANTIATE_TEST_SUITE_P(Folders,
                         Imported,
                         testing::Values("zero1", "zero2", "zero3", "fsdp"),
                         [](const auto& p) { return std::string(p.param); });

TEST_F(CheckpointCommand, ImportRefusesAFolderThatLacksARank) {
  if (!python_has("torch")) {
    GTEST_SKIP() << "no Python with torch beside this LibTorch";
  }
  fs::copy(STRATA_GOLDEN_DIR "/imported/zero2", path("zero2"), fs::copy_options::recursive);
  fs::remove(path("zero2/step2/bf16_zero_pp_rank_2_mp_rank_00_optim_states.pt"));

  const Outcome outcome = python({STRATA_IMPORT_TOOL, "zero2", "out.safetensors"});

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("has files of 2 ranks, and 3 wrote it"));
  EXPECT_FALSE(fs::exists(path("out.safetensors")));
}

// The file that the package writes of what it reads in ours.
TEST_F(CheckpointCommand, ConvertedFilesOpenInThePythonPackageEqualToTheBit) {
  if (!python_has("safetensors.torch")) {
    GTEST_SKIP() << "no Python with torch and safetensors (requirements.txt)";
  }
  save();
  std::ignore = checkpoint({"convert", "work/iter_3", "one.safetensors"});
  std::ignore = checkpoint({"convert", "work/iter_3", "half.safetensors", "--dtype", "bf16"});

  for (const char* name : {"one.safetensors", "half.safetensors"}) {
    const Outcome outcome =
        python({"-c",
                "import sys; from safetensors.torch import load_file, save_file; "
                "save_file(load_file(sys.argv[1]), 'theirs.safetensors')",
                name});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(stored_in(path("theirs.safetensors")), stored_in(path(name))) << name;
  }
}

TEST_F(CheckpointCommand, ShardsOpenInThePythonPackageEqualToTheBit) {
  if (!python_has("safetensors.torch")) {
    GTEST_SKIP() << "no Python with torch and safetensors (requirements.txt)";
  }
  save();
  int files = 0;
  for (const auto& entry : fs::directory_iterator(path("work/iter_3"))) {
    if (entry.path().extension() != ".safetensors") {
      continue;
    }
    const Outcome outcome =
        python({"-c",
                "import sys; from safetensors.torch import load_file, save_file; "
                "save_file(load_file(sys.argv[1]), 'theirs.safetensors')",
                entry.path().string()});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(stored_in(path("theirs.safetensors")), stored_in(entry.path())) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 2);
}

TEST_F(CheckpointCommand, ConvertedFilesOpenInTorchWithoutUnpicklingObjects) {
  if (!python_has("safetensors.torch")) {
    GTEST_SKIP() << "no Python with torch and safetensors (requirements.txt)";
  }
  save();
  EXPECT_EQ(checkpoint({"convert", "work/iter_3", "one.pth"}).code, 0);

  const Outcome outcome =
      python({"-c",
              "import torch; from safetensors.torch import save_file; "
              "save_file(dict(torch.load('one.pth', weights_only=True)), 'theirs.safetensors')"});

  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(stored_in(path("theirs.safetensors")), stored_in(path("work/iter_3")));
  EXPECT_EQ(stored_in(path("one.pth")), stored_in(path("work/iter_3")));
}

}  // namespace
}  // namespace strata::test
