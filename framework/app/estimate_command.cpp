// strata estimate: memory and traffic of the configured strategy and of all others, before anything is allocated.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "strata/cpp/error.hpp"

#include "app/cli.hpp"
#include "app/preflight.hpp"
#include "border/runtime.hpp"
#include "train/components.hpp"
#include "train/engine.hpp"
#include "train/estimate.hpp"
#include "unit/memory.hpp"
#include "unit/model.hpp"

namespace strata::app {
namespace {

using train::EstimateRow;
using train::size_text;

constexpr size_t kLargest = 3;  // units and parameters that are named

int64_t bytes_of(const unit::Param& p) {
  return p.tensor.numel() * p.tensor.element_size();
}

std::string shape_of(const unit::Param& p) {
  return fmt::format("[{}]", fmt::join(p.tensor.sizes(), ", "));
}

struct Item {
  std::string name;
  int64_t bytes = 0;
};

std::string largest(std::vector<Item> items) {
  std::ranges::stable_sort(items, [](const Item& a, const Item& b) { return a.bytes > b.bytes; });
  std::string out;
  for (size_t i = 0; i < std::min(items.size(), kLargest); ++i) {
    out += fmt::format("{}{} {}", i == 0 ? "" : ", ", items[i].name, size_text(items[i].bytes));
  }
  return out;
}

void print_model(const unit::Model& model) {
  std::vector<Item> units;
  for (const unit::Unit& u : model.units()) {
    const int64_t bytes =
        std::accumulate(u.params.begin(), u.params.end(), int64_t{0}, [&](int64_t sum, int32_t id) {
          return sum + bytes_of(model.params()[static_cast<size_t>(id)]);
        });
    units.push_back({u.name.empty() ? "(root)" : u.name, bytes});
  }
  std::vector<Item> params;
  int64_t elements = 0;
  int64_t bytes = 0;
  for (const unit::Param& p : model.params()) {
    params.push_back({p.name + " " + shape_of(p), bytes_of(p)});
    elements += p.tensor.numel();
    bytes += bytes_of(p);
  }
  std::cout << fmt::format("{}: {} parameters of {} elements, {}, in {} units\n",
                           model.object().type(),
                           model.params().size(),
                           elements,
                           size_text(bytes),
                           units.size());
  std::cout << "  largest units:      " << largest(std::move(units)) << "\n"
            << "  largest parameters: " << largest(std::move(params)) << "\n";
}

void print_row(const EstimateRow& row, size_t width) {
  const char mark = row.configured ? '*' : ' ';
  if (!row.error.empty()) {
    std::cout << fmt::format("{} {:<{}}  {}\n", mark, row.name(), width, row.error);
    return;
  }
  const strata_estimate& c = row.estimate.c;
  std::cout << fmt::format("{} {:<{}}", mark, row.name(), width);
  for (const int64_t bytes : {row.estimate.peak(),
                              row.estimate.states(),
                              c.param_bytes,
                              c.grad_bytes,
                              c.optim_bytes,
                              c.unit_bytes,
                              c.comm_buffer_bytes,
                              c.sent_bytes_per_step}) {
    std::cout << fmt::format(" {:>10}", size_text(bytes));
  }
  std::cout << "\n";
}

void print_table(const std::vector<EstimateRow>& rows) {
  size_t width = 0;
  for (const EstimateRow& row : rows) {
    width = std::max(width, row.name().size());
  }
  std::cout << fmt::format("  {:<{}}", "of one rank", width);
  for (const char* title :
       {"peak", "states", "params", "grads", "optimizer", "units", "buffers", "sent/step"}) {
    std::cout << fmt::format(" {:>10}", title);
  }
  std::cout << "\n";
  for (const EstimateRow& row : rows) {
    print_row(row, width);
  }
  std::cout << "peak = states + gathered units + communication buffers. Activations, batches and "
               "the workspace of operators\n"
               "come on top; a short run measures them (`memory` in its log lines).\n";
}

// After the table: the others' rows say what could be used instead.
void check_configured(const EstimateRow& row, const std::string& where) {
  if (!row.error.empty()) {
    const bool named = row.error.find(row.type) != std::string::npos;
    throw config_error(
        row.where.empty() ? where : row.where, named ? "" : row.type + ": ", row.error);
  }
}

void check_limit(const std::vector<EstimateRow>& rows,
                 const EstimateOptions& options,
                 const std::string& where) {
  if (options.memory_limit.empty()) {
    return;
  }
  const int64_t limit = train::parse_size(options.memory_limit, "--memory-limit");
  const EstimateRow& mine = rows.front();
  if (mine.estimate.peak() <= limit) {
    return;
  }
  std::string fits;
  for (const EstimateRow& row : rows) {
    if (row.error.empty() && row.estimate.peak() <= limit) {
      fits += fmt::format(
          "{}{} ({})", fits.empty() ? "" : ", ", row.name(), size_text(row.estimate.peak()));
    }
  }
  throw config_error(
      where,
      mine.type,
      " needs ",
      size_text(mine.estimate.peak()),
      " on each of ",
      options.world,
      " rank(s) before any activation, more than --memory-limit ",
      options.memory_limit,
      "; ",
      fits.empty() ? "nothing that was found fits: use more ranks" : "these fit: " + fits);
}

}  // namespace

void estimate(const EstimateOptions& options) {
  RunOptions as_run;
  as_run.config = options.config;
  as_run.overrides = options.overrides;
  as_run.dry_run = true;
  config::Value root = load_config(as_run, options.world);
  as_run.command = command_for(root);
  preflight(root, as_run, options.world);
  const train::RunConfig run =
      train::parse_run_config(root, std::filesystem::path(options.config).stem().string());
  const auto registry = make_registry(run);
  unit::Memory memory(false);
  strata_runtime runtime;
  runtime.memory = &memory;
  train::EngineObjects objects = train::make_engine_objects({*registry, &runtime}, run);
  unit::Model model(std::move(objects.model), 0);
  runtime.model = &model;
  const train::EstimateFacts facts{options.world,
                                   train::states_per_element(objects.optimizer),
                                   train::accumulation_of(objects.wrapper)};
  const auto rows = train::estimate_all(*registry, root.at("strategy"), model, facts);
  print_model(model);
  std::cout << fmt::format(
      "on {} rank(s), {} with {} state number(s) per element, {} micro-batch(es) in a step\n\n",
      options.world,
      objects.optimizer ? objects.optimizer.type() : "no optimizer",
      facts.states_per_element,
      facts.accumulation);
  print_table(rows);
  check_configured(rows.front(), root.at("strategy").where());
  check_limit(rows, options, root.at("strategy").where());
}

}  // namespace strata::app
