// strata data tokenize, and a language model on what it writes.
#include <cstdint>
#include <cstring>

#include "scene.hpp"

namespace strata::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kModel = R"([model]
type = "GPT2"
vocab_size = 257
n_positions = 16
n_layer = 2
n_head = 2
n_embd = 16
[train_dataloader]
batch_size = 4
sampler = { type = "DefaultSampler", shuffle = true }
dataset = { type = "TokenDataset", path = "text.bin", seq_len = 16 }
[train_cfg]
by_epoch = false
max_iters = 30
[optim_wrapper]
optimizer = { type = "AdamW", lr = 1e-2 }
[default_hooks]
logger = { interval = 1, ignore_last = false }
[log_processor]
window_size = 1
[randomness]
seed = 3
)";

class Text : public Scene {
 protected:
  template <class T>
  [[nodiscard]] std::vector<T> numbers(const std::string& name) const {
    const std::string bytes = read_text(path(name));
    std::vector<T> out(bytes.size() / sizeof(T));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }

  // What follows the header of 1024 bytes.
  template <class T>
  [[nodiscard]] std::vector<T> tokens(const std::string& name) const {
    const std::vector<T> all = numbers<T>(name);
    return {all.begin() + 1024 / sizeof(T), all.end()};
  }

  void make_text_bin() const {
    std::string text;
    for (int i = 0; i < 100; ++i) {
      text += "the " + std::to_string(i % 7) + " quick brown foxes ";
    }
    write_text(path("a.txt"), text);
    const Outcome done = run_strata({"data", "tokenize", "a.txt", "--out", "text.bin"});
    EXPECT_EQ(done.code, 0) << done.err;
  }

  [[nodiscard]] std::string model_config(const std::string& more = {}) const {
    write_text(path("gpt2.toml"), kModel + more);
    return "gpt2.toml";
  }

  [[nodiscard]] std::string refusal(std::vector<std::string> args, int code = 2) const {
    const Outcome done = run_strata(std::move(args));
    EXPECT_EQ(done.code, code) << done.out;
    return done.err;
  }
};

TEST_F(Text, BecomesATokenForEachByteWithOneMoreBetweenFiles) {
  write_text(path("a.txt"), "hi\xff");
  write_text(path("b.txt"), "!");

  const Outcome done = run_strata({"data", "tokenize", "a.txt", "b.txt", "--out", "text.bin"});

  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("text.bin: 2 text(s), 5 tokens of uint16, vocabulary 257"));
  EXPECT_THAT(tokens<uint16_t>("text.bin"), ElementsAre('h', 'i', 255, 256, '!'));
  const auto header = numbers<uint16_t>("text.bin");
  EXPECT_EQ(header.size(), 512U + 5U);
  EXPECT_EQ(header[0] | header[1] << 16, 20240520);
  EXPECT_EQ(header[2], 1);
  EXPECT_EQ(header[4], 5);
}

TEST_F(Text, InWideTokensHasTheHeaderOfWideFiles) {
  write_text(path("a.txt"), "hi");

  const Outcome done =
      run_strata({"data", "tokenize", "a.txt", "--out", "text.bin", "--dtype", "uint32"});

  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(tokens<uint32_t>("text.bin"), ElementsAre('h', 'i'));
  const auto header = numbers<int32_t>("text.bin");
  EXPECT_EQ(header[0], 20240801);
  EXPECT_EQ(header[1], 7);
  EXPECT_EQ(header[2], 2);
}

TEST_F(Text, OfAFileThatHasTwoNamesIsTakenOnce) {
  write_text(path("a.txt"), "hi");
  fs::create_symlink("a.txt", path("link.txt"));

  const Outcome done =
      run_strata({"data", "tokenize", "link.txt", "a.txt", "./a.txt", "--out", "text.bin"});

  EXPECT_THAT(done.out, HasSubstr("2 name(s) of a file that had its turn already were left out"));
  EXPECT_THAT(tokens<uint16_t>("text.bin"), ElementsAre('h', 'i'));
}

TEST_F(Text, IsRefusedBeforeAnythingIsWritten) {
  write_text(path("a.txt"), "hi");
  write_text(path("one.txt"), "h");

  EXPECT_THAT(refusal({"data", "tokenize", "gone.txt", "--out", "text.bin"}),
              HasSubstr("cannot read gone.txt: No such file"));
  EXPECT_THAT(refusal({"data", "tokenize", "data", "--out", "text.bin"}),
              HasSubstr("data is no file"));
  EXPECT_THAT(refusal({"data", "tokenize", "one.txt", "--out", "text.bin"}),
              HasSubstr("at least two"));
  EXPECT_THAT(refusal({"data", "tokenize", "a.txt", "--out", "./a.txt"}),
              HasSubstr("one of the files to read"));
  EXPECT_THAT(refusal({"data", "tokenize", "a.txt", "--out", "text.bin", "--dtype", "uint8"}),
              HasSubstr("uint8"));
  EXPECT_FALSE(fs::exists(path("text.bin")));
  EXPECT_EQ(read_text(path("a.txt")), "hi");
}

TEST_F(Text, ThatCannotBeWrittenFailsTheCommand) {
  write_text(path("a.txt"), "hi");

  EXPECT_THAT(refusal({"data", "tokenize", "a.txt", "--out", "gone/text.bin"}, 1),
              HasSubstr("gone/text.bin"));
}

TEST_F(Text, IsLearntOnOneRankAndOnTwo) {
  make_text_bin();
  const std::string file = model_config();

  train(file, "one");
  train(file, "two", {"--nproc", "2"});

  for (const char* work : {"one", "two"}) {
    const std::vector<double> loss = series(work, "loss");
    ASSERT_EQ(loss.size(), 30U);
    EXPECT_NEAR(loss.front(), 5.55, 0.1);  // ln 257
    EXPECT_LT(loss.back(), 3.5);
  }
}

TEST_F(Text, IsLearntOnFromStoredWeights) {
  make_text_bin();
  train(model_config(), "work");

  train(model_config(), "again", {"--cfg-options", "load_from=work/iter_30"});

  EXPECT_LT(series("again", "loss").front(), 3.5);
  EXPECT_THAT(log_of("again"), testing::Not(HasSubstr("do not match")));
}

TEST_F(Text, ThatWasNotMadeNamesTheCommandThatMakesIt) {
  EXPECT_THAT(refusal({"train", model_config()}),
              AllOf(HasSubstr("\"text.bin\""),
                    HasSubstr("`strata data tokenize TEXT… --out text.bin`"),
                    HasSubstr("gpt2.toml:")));
}

TEST_F(Text, OfAnotherVocabularyThanTheModelsEndsTheRun) {
  make_text_bin();

  EXPECT_THAT(
      refusal({"train", model_config(), "--work-dir", "w", "--cfg-options", "model.vocab_size=100"},
              1),
      AllOf(HasSubstr("and the model knows 0 to 99"), HasSubstr("set vocab_size")));
}

TEST_F(Text, WithoutASampleLengthIsRefused) {
  EXPECT_THAT(
      refusal({"train", model_config(), "--cfg-options", "train_dataloader.dataset.seq_len=0"}),
      HasSubstr("seq_len"));
}

TEST_F(Text, HeadsThatDoNotDivideTheWidthAreRefusedWithTheirPlace) {
  make_text_bin();

  EXPECT_THAT(refusal({"train", model_config(), "--cfg-options", "model.n_head=3"}),
              AllOf(HasSubstr("gpt2.toml:1"), HasSubstr("no multiple of n_head = 3")));
}

std::string checkpointing(const std::string& table) {
  return "\n[activation_checkpointing]\n" + table;
}

TEST_F(Text, IsLearntTheSameWhenBlocksAreRecomputed) {
  make_text_bin();
  train(model_config(), "plain");  // with dropout
  const Outcome done = train(model_config(checkpointing("type = \"full\"")), "recomputed");

  EXPECT_EQ(series("recomputed", "loss"), series("plain", "loss"));
  EXPECT_THAT(done.out,
              HasSubstr("Activation checkpointing: 2 of 2 blocks run again in backward."));
}

TEST_F(Text, SaysWhatIsWrongWithActivationCheckpointing) {
  make_text_bin();
  const auto said = [&](const std::string& table, int code = 2) {
    return refusal({"train", model_config(checkpointing(table)), "--work-dir", "w"}, code);
  };

  EXPECT_THAT(said("type = \"half\""), HasSubstr("use full or every_n"));
  EXPECT_THAT(said("type = \"every_n\""), AllOf(HasSubstr("gpt2.toml:"), HasSubstr("needs `n`")));
  EXPECT_THAT(said("type = \"full\"\nn = 2"), HasSubstr("leave `n` out"));
  EXPECT_THAT(said("type = \"every_n\"\nn = 0"), HasSubstr("n"));
  EXPECT_THAT(said("type = \"every_n\"\nn = 3", 1),
              AllOf(HasSubstr("GPT2 has 2 repeated block(s)"), HasSubstr("make `n` smaller")));
}

TEST_F(Text, ActivationCheckpointingOfAModelWithoutBlocksIsRefused) {
  const std::string file = config(std::string(kThreeIterations) + checkpointing("type = \"full\""));

  EXPECT_THAT(refusal({"train", file, "--work-dir", "w"}, 1),
              AllOf(HasSubstr("run.toml:"), HasSubstr("MLP has 0 repeated block(s)")));
}

}  // namespace
}  // namespace strata::test
