// Arguments to commands.
#include "app/cli.hpp"

#include <cstdio>
#include <functional>
#include <iostream>

#include <CLI/CLI.hpp>

#include "strata/cpp/error.hpp"

namespace strata::app {
namespace {

// What parsing chose to do; run after it.
using Action = std::function<int()>;

void add_overrides(CLI::App& command, std::vector<std::string>& overrides) {
  command.add_option("--cfg-options", overrides, "a.b=1 c=[1,2]: change keys of the configuration");
}

void add_run(
    CLI::App& app, const char* name, const char* text, train::Command which, Action& action) {
  CLI::App* command = app.add_subcommand(name, text);
  auto options = std::make_shared<RunOptions>();
  options->command = which;
  command->add_option("config", options->config, "a TOML configuration")->required();
  add_overrides(*command, options->overrides);
  command->add_option("--nproc", options->nproc, "start so many ranks on this machine")
      ->check(CLI::PositiveNumber);
  command->add_option("--work-dir", options->work_dir, "where the run writes");
  command->add_option(
      "--load-from", options->load_from, "weights: a checkpoint or a .safetensors file");
  command->add_flag("--dry-run", options->dry_run, "check everything, run nothing");
  CLI::Option* resume = nullptr;
  if (which == train::Command::kTrain) {
    resume = command
                 ->add_option("--resume",
                              options->resume_path,
                              "go on from the last checkpoint, or from this one")
                 ->expected(0, 1);
  }
  command->callback([&action, options, resume] {
    options->resume = resume != nullptr && resume->count() > 0;
    action = [options] { return run_command(*options); };
  });
}

void add_config(CLI::App& app, Action& action) {
  CLI::App* config = app.add_subcommand("config", "look at configurations")->require_subcommand(1);
  auto file = std::make_shared<std::string>();
  auto overrides = std::make_shared<std::vector<std::string>>();
  const auto add = [&](const char* name, const char* text, auto function) {
    CLI::App* command = config->add_subcommand(name, text);
    command->add_option("config", *file, "a TOML configuration")->required();
    add_overrides(*command, *overrides);
    command->callback([&action, file, overrides, function] {
      action = [=] {
        function(*file, *overrides);
        return 0;
      };
    });
  };
  add("show", "every value with the place it comes from", &config_show);
  add("check", "check keys, types and values against the plugins", &config_check);
  CLI::App* explain = config->add_subcommand(
      "explain", "the keys of a plugin type, or of the configuration itself");
  explain->add_option("type", *file, "a type name; absent: the top level");
  explain->callback([&action, file] {
    action = [file] {
      config_explain(*file);
      return 0;
    };
  });
}

void add_plugin(CLI::App& app, Action& action) {
  CLI::App* plugin = app.add_subcommand("plugin", "look at plugins")->require_subcommand(1);
  plugin->add_subcommand("list", "all types, and what was refused")->callback([&action] {
    action = [] {
      plugin_list();
      return 0;
    };
  });
  auto file = std::make_shared<std::string>();
  CLI::App* inspect =
      plugin->add_subcommand("inspect", "what a plugin's note says; runs nothing of it");
  inspect->add_option("file", *file, "a .so")->required();
  inspect->callback([&action, file] {
    action = [file] {
      plugin_inspect(*file);
      return 0;
    };
  });
}

void add_data(CLI::App& app, Action& action) {
  CLI::App* data = app.add_subcommand("data", "make data sets")->require_subcommand(1);
  CLI::App* tokenize =
      data->add_subcommand("tokenize", "text to tokens, one for each byte, for TokenDataset");
  auto files = std::make_shared<std::vector<std::string>>();
  auto out = std::make_shared<std::string>();
  auto dtype = std::make_shared<std::string>("uint16");
  tokenize->add_option("files", *files, "texts, in order")->required();
  tokenize->add_option("--out", *out, "the file to write")->required();
  tokenize->add_option("--dtype", *dtype, "of a token, default uint16")
      ->check(CLI::IsMember({"uint16", "uint32"}));
  tokenize->callback([&action, files, out, dtype] {
    action = [=] { return data_tokenize(*files, *out, *dtype); };
  });
}

void add_convert(CLI::App& checkpoint, Action& action) {
  CLI::App* command =
      checkpoint.add_subcommand("convert", "weights to a file that other programs read");
  auto options = std::make_shared<ConvertOptions>();
  command->add_option("in", options->in, "a checkpoint, or weights of any kind")->required();
  command->add_option("out", options->out, "what to write")->required();
  command
      ->add_option("--format",
                   options->format,
                   "default: by the ending of `out`, a folder for Hugging Face when it has none")
      ->check(CLI::IsMember({"safetensors", "pth", "hf"}));
  command->add_option("--dtype", options->dtype, "of floating-point tensors; default: as stored")
      ->check(CLI::IsMember({"fp32", "fp16", "bf16"}));
  command->add_option(
      "--max-shard-size", options->max_shard_size, "of a file of format hf, default 5GB");
  command->add_flag("--force", options->force, "replace what is there");
  command->callback(
      [&action, options] { action = [options] { return checkpoint_convert(*options); }; });
}

void add_checkpoint(CLI::App& app, Action& action) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "look at checkpoints and weights files")
                             ->require_subcommand(1);
  auto path = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  CLI::App* inspect = checkpoint->add_subcommand("inspect", "names, shapes and sizes");
  inspect->add_option("path", *path, "a checkpoint, or weights of any kind")->required();
  inspect->add_flag("--json", *as_json, "for programs");
  inspect->callback([&action, path, as_json] {
    action = [=] {
      checkpoint_inspect(*path, *as_json);
      return 0;
    };
  });
  CLI::App* verify = checkpoint->add_subcommand("verify", "compare all bytes with their checksums");
  verify->add_option("path", *path, "a checkpoint, or weights of any kind")->required();
  verify->callback([&action, path] { action = [path] { return checkpoint_verify(*path); }; });
  add_convert(*checkpoint, action);
}

void add_estimate(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("estimate", "memory and traffic of each strategy, before running");
  auto options = std::make_shared<EstimateOptions>();
  command->add_option("config", options->config, "a TOML configuration")->required();
  add_overrides(*command, options->overrides);
  command->add_option("--world", options->world, "ranks of the run")
      ->required()
      ->check(CLI::PositiveNumber);
  command->add_option("--memory-limit",
                      options->memory_limit,
                      "of a rank, as 16GiB: refuse a strategy that needs more");
  command->callback([&action, options] {
    action = [options] {
      estimate(*options);
      return 0;
    };
  });
}

}  // namespace

void print_error(const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
}

int run_cli(int argc, char** argv) {
  CLI::App app("Strata trains models too large for one device.", "strata");
  app.require_subcommand(1);
  Action action;
  add_run(app, "train", "train a model", train::Command::kTrain, action);
  add_run(app, "val", "validate a model", train::Command::kVal, action);
  add_run(app, "test", "test a model", train::Command::kTest, action);
  add_config(app, action);
  add_plugin(app, action);
  add_data(app, action);
  add_checkpoint(app, action);
  add_estimate(app, action);
  app.add_subcommand("env", "this program, machine and libraries")->callback([&action] {
    action = [] {
      print_env();
      return 0;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kRefused;
  }
  try {
    return action();
  } catch (const std::exception& e) {  // before a run began: its ranks report their own failures
    print_error(e);
    return kRefused;
  }
}

}  // namespace strata::app
