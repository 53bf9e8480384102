// What cannot work is refused with exit code 2, naming place, cause and remedy, and nothing is
// written.
#include <set>

#include "scene.hpp"

namespace strata::test {
namespace {

using testing::HasSubstr;

std::set<fs::path> files_in(const fs::path& folder) {
  std::set<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    out.insert(entry.path());
  }
  return out;
}

class Refusal : public Scene {
 protected:
  /// Runs `strata` and expects the refusal to say all of that.
  void expect_refused(std::vector<std::string> args, const std::vector<std::string>& says) const {
    const std::set<fs::path> before = files_in(path());
    const Outcome outcome = run_strata(std::move(args));
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    for (const std::string& text : says) {
      EXPECT_THAT(outcome.err, HasSubstr(text));
    }
    EXPECT_EQ(files_in(path()), before);
  }
};

struct Mistake {
  const char* name;
  std::string text;  // of run.toml from line 2 on
  std::vector<std::string> says;
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.name;
}

class ConfigMistake : public Refusal, public testing::WithParamInterface<Mistake> {};

std::string with(const std::string& text) {
  return text + "\n" + kThreeIterations;
}

std::vector<Mistake> mistakes_in_values() {
  return {
      {"UnknownTopLevelKey",
       with("train_dataloder = { batch_size = 3 }"),
       {"run.toml:2:", "\"train_dataloder\"", "did you mean \"train_dataloader\"?"}},
      {"UnknownKeyOfAPlugin",
       with("[model]\nhiden = [3]"),
       {"run.toml:3:", "\"hiden\"", "MLP", "did you mean \"hidden\"?"}},
      {"UnknownKeyOfANestedPlugin",
       with("[optim_wrapper]\noptimizer = { weight_decya = 0.1 }"),
       {"run.toml:3:", "\"weight_decya\"", "did you mean \"weight_decay\"?"}},
      {"ValueOfAWrongType",
       with("[model]\nnum_classes = \"ten\""),
       {"run.toml:3:", "model.num_classes must be an integer, found a text (\"ten\")"}},
      {"ValueOutOfRange",
       with("[optim_wrapper]\noptimizer = { lr = -1.0 }"),
       {"run.toml:3:", "optim_wrapper.optimizer.lr = -1", "[0, inf)"}},
      {"ValueOfTheHostsOutOfRange",
       with("[train_dataloader]\nbatch_size = 0"),
       {"run.toml:3:", "train_dataloader.batch_size = 0", "[1, inf)"}},
      {"MissingType",
       with("[model]\n_delete_ = true\nhidden = [3]"),
       {"run.toml:2:", "model has no `type`", "known: ", "MLP"}},
      {"UnknownType",
       with("[model]\ntype = \"MLPP\""),
       {"run.toml:3:", "unknown model type \"MLPP\"", "did you mean \"MLP\"?"}},
      {"UnknownRuleOfParamwiseCfg",
       with("[optim_wrapper]\nparamwise_cfg = { bias_lr_mul = 2.0 }"),
       {"run.toml:3:", "bias_lr_mul", "did you mean \"bias_lr_mult\"?"}},
      {"UnknownHook",
       with("custom_hooks = [{ type = \"LogerHook\" }]"),
       {"run.toml:2:", "unknown hook type \"LogerHook\"", "did you mean \"LoggerHook\"?"}},
      {"MissingImagesOfCifar",
       with("[train_dataloader.dataset]\ntype = \"CIFAR10\"\ndata_root = \"nowhere\""),
       {"run.toml:2:", "nowhere/data_batch_1.bin", "https://www.cs.toronto.edu/~kriz/cifar.html"}},
      {"MissingDigits",
       with("[train_dataloader.dataset]\ndata_root = \"nowhere\""),
       {"run.toml:2:", "nowhere/data_batch_1.bin", "make setup"}},
      {"BatchLargerThanTheData",
       with("[train_dataloader]\nbatch_size = 49\ndrop_last = true"),
       {"batch_size = 49", "48 samples", "drop_last = false"}},
      {"MissingWeights",
       with("load_from = \"nowhere\""),
       {"run.toml:2:", "load_from = \"nowhere\"", "no such file"}},
      {"PatternThatIsNone",
       with("load_cfg = { revise_keys = [['^(module', '']] }"),
       {"run.toml:2:", "load_cfg.revise_keys.0.0 = \"^(module\"", "no regular expression"}},
      {"ReplacementByAGroupThatIsNone",
       with("load_cfg = { revise_keys = [['^module', '\\1']] }"),
       {"run.toml:2:", "load_cfg.revise_keys.0.1", "the pattern has 0 group(s)"}},
      {"RevisionThatIsNoPair",
       with("load_cfg = { revise_keys = ['^module'] }"),
       {"run.toml:2:", "load_cfg.revise_keys.0 must be a pair [pattern, replacement]"}},
      {"CheckpointThatIsNone", with("resume = \"data\""), {"run.toml:2:", "data lacks index.json"}},
      {"WorkDirThatIsAFile",
       with("work_dir = \"base.toml/runs\""),
       {"run.toml:2:", "base.toml is a file", "name a folder"}},
  };
}

std::vector<Mistake> mistakes_in_loops_and_schedules() {
  return {
      {"EpochsAndIterations",
       "[train_cfg]\nmax_epochs = 2\nmax_iters = 3\n",
       {"run.toml:4:", "`max_iters` has no meaning", "by_epoch"}},
      {"TypeAndByEpoch",
       "[train_cfg]\ntype = \"IterBasedTrainLoop\"\nby_epoch = false\nmax_iters = 3\n",
       {"run.toml:4:", "both `type` and `by_epoch`", "keep one"}},
      {"LoopWithoutALength", "[train_cfg]\nby_epoch = true\n", {"run.toml:2:", "`max_epochs`"}},
      {"LoaderWithoutALoop",
       "",
       {"base.toml:6:", "train_dataloader, optim_wrapper given, but not train_cfg"}},
      {"ValidationLoopAlone",
       with("val_cfg = {}"),
       {"run.toml:2:", "val_cfg given, but not val_dataloader, val_evaluator"}},
      {"ScheduleOfEpochsInARunOfIterations",
       with("param_scheduler = { type = \"LinearLR\" }"),
       {"run.toml:2:", "LinearLR counts epochs", "by_epoch = false"}},
      {"ScheduleThatBeginsAfterItsEnd",
       with("param_scheduler = { type = \"LinearLR\", by_epoch = false, begin = 5 }"),
       {"run.toml:2:", "LinearLR begins at 5, when its end 3 is reached"}},
      {"EpochsOverAnEndlessSampler",
       "[train_dataloader]\nsampler = { type = \"InfiniteSampler\" }\n" + std::string(kTwoEpochs),
       {"run.toml:3:", "DefaultSampler", "by_epoch = false"}},
  };
}

TEST_P(ConfigMistake, IsRefused) {
  expect_refused({"train", config(GetParam().text)}, GetParam().says);
}

constexpr auto kMistakesName = [](const auto& of) { return std::string(of.param.name); };

INSTANTIATE_TEST_SUITE_P(Values,
                         ConfigMistake,
                         testing::ValuesIn(mistakes_in_values()),
                         kMistakesName);
INSTANTIATE_TEST_SUITE_P(LoopsAndSchedules,
                         ConfigMistake,
                         testing::ValuesIn(mistakes_in_loops_and_schedules()),
                         kMistakesName);

TEST_F(Refusal, NamesTheFilesOfABaseCycle) {
  write_text(path("a.toml"), "_base_ = [\"b.toml\"]\n");
  write_text(path("b.toml"), "\n_base_ = [\"a.toml\"]\n");

  expect_refused({"train", "a.toml"}, {"b.toml:2:", "a.toml -> b.toml -> a.toml"});
}

TEST_F(Refusal, NamesABaseFileThatIsMissing) {
  write_text(path("a.toml"), "_base_ = [\"gone.toml\"]\n");

  expect_refused({"train", "a.toml"}, {"a.toml:1:", "gone.toml"});
}

TEST_F(Refusal, NamesAConfigThatIsMissing) {
  expect_refused({"train", "gone.toml"}, {"gone.toml"});
}

TEST_F(Refusal, ShowsWhereTheTomlIsBroken) {
  expect_refused({"train", config("[model\n")}, {"run.toml:2:"});
}

TEST_F(Refusal, ReportsAllMistakesAtOnce) {
  expect_refused({"train", config(with("foo = 1\n[train_dataloader]\nbar = 2"))},
                 {"run.toml:2:", "\"foo\"", "run.toml:4:", "\"bar\""});
}

TEST_F(Refusal, NamesADataFileThatIsCutShort) {
  fs::resize_file(path("data/data_batch_1.bin"), 5000);

  expect_refused({"train", config()},
                 {"base.toml:9:", "data_batch_1.bin", "5000 bytes", "truncated"});
}

TEST_F(Refusal, NamesWeightsThatAreCutShort) {
  train(config(), "first");
  fs::copy_file(path("first/iter_3/model.safetensors"), path("short.safetensors"));
  fs::resize_file(path("short.safetensors"), 1000);

  expect_refused({"train", config(with("load_from = \"short.safetensors\""))},
                 {"run.toml:2:", "short.safetensors", "cut short"});
}

TEST_F(Refusal, NamesAStrategyForFewerRanks) {
  expect_refused(
      {"train", config(with("strategy = { type = \"SingleDeviceStrategy\" }")), "--nproc", "2"},
      {"run.toml:2:", "SingleDeviceStrategy", "at most 1 rank", "DDPStrategy"});
}

TEST_F(Refusal, NamesTheSectionsThatACommandNeeds) {
  expect_refused({"val", config()},
                 {"`strata val` needs val_dataloader, val_cfg and val_evaluator"});
}

TEST_F(Refusal, OfAnOptionNamesTheOption) {
  expect_refused({"train", config(), "--cfg-options", "model.hidden=x"},
                 {"--cfg-options", "model.hidden must be a list of integers"});
  expect_refused({"train", config(), "--nproc", "0"}, {"--nproc"});
  expect_refused({"train"}, {"config is required"});
}

TEST_F(Refusal, OfADryRunNeedsNoData) {
  fs::remove_all(path("data"));

  expect_refused({"train", config(with("[model]\nhiden = [3]")), "--dry-run"},
                 {"did you mean \"hidden\"?"});
  expect_refused({"train", config(with("param_scheduler = { type = \"LinearLR\" }")), "--dry-run"},
                 {"LinearLR counts epochs"});
}

TEST_F(Refusal, DoesNotHitAGoodConfigInADryRun) {
  fs::remove_all(path("data"));
  const std::set<fs::path> before = files_in(path());
  const std::string schedule =
      "[[param_scheduler]]\ntype = \"LinearLR\"\nend = 1\nconvert_to_iter_based = true\n";

  const Outcome outcome = run_strata(
      {"train", config(std::string(kTwoEpochs) + schedule + kValidation, "good"), "--dry-run"});

  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("good.toml: no problem found"));
  std::set<fs::path> after = files_in(path());
  after.erase(path("good.toml"));
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace strata::test
