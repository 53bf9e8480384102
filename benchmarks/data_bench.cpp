// Images per second through the built-in data path, on one core unless workers are asked for.
#include <benchmark/benchmark.h>

#include "data/batch.hpp"
#include "data/loader.hpp"
#include "support/image_files.hpp"
#include "support/sample_host.hpp"

namespace {

using namespace strata;  // NOLINT(google-build-using-namespace): a file of its own

constexpr int64_t kBatch = 128;

struct Plugins {
  test::TempFolder folder;
  test::PluginFile cifar{"dataset_cifar"};
  test::PluginFile images{"transform_image"};
  test::PluginFile samplers{"sampler_default"};
};

data::Loader make_loader(Plugins& plugins, bool augment, int64_t workers) {
  test::write_cifar10(plugins.folder.path(), 2000);  // 10000 images, 30 MB
  const test::Json config = {{"data_root", plugins.folder.path().string()}};
  std::vector<border::Object<strata_transform_api>> transforms;
  const auto add = [&](const char* type, const char* json) {
    transforms.push_back(plugins.images.create<strata_transform_api>(type, json));
  };
  if (augment) {
    add("RandomCrop", R"({"size": 32, "padding": 4})");
    add("RandomHorizontalFlip", "{}");
  }
  add("ToTensor", "{}");
  add("Normalize", R"({"mean": [0.491, 0.482, 0.447], "std": [0.202, 0.199, 0.201]})");
  return {data::Pipeline(plugins.cifar.create<strata_dataset_api>("CIFAR10", config.dump()),
                         std::move(transforms),
                         {}),
          plugins.samplers.create<strata_sampler_api>("InfiniteSampler"),
          {.batch_size = kBatch, .num_workers = workers}};
}

/// Arguments: augment, num_workers.
void cifar_batches(benchmark::State& state) {
  Plugins plugins;
  data::Loader loader = make_loader(plugins, state.range(0) != 0, state.range(1));
  loader.begin_pass(0);
  data::Batch batch;

  for (auto _ : state) {
    loader.next(batch);
    benchmark::DoNotOptimize(batch.fields.data());
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

BENCHMARK(cifar_batches)
    ->ArgNames({"augment", "workers"})
    ->Args({1, 0})
    ->Args({0, 0})
    ->Args({1, 1})
    ->Args({1, 2})
    ->UseRealTime();

/// A pass of ImageNet's size begins in the middle: what resuming costs.
void resume_in_the_middle(benchmark::State& state) {
  test::PluginFile samplers("sampler_default");
  const auto sampler = samplers.create<strata_sampler_api>("DefaultSampler");
  strata_sampler_args args = {STRATA_HDR(strata_sampler_args), 1'281'167, 0, 0, 1, kBatch, 0, 0};
  sampler.call(&strata_sampler_api::begin, &args);
  std::vector<int64_t> indices(kBatch);
  std::vector<uint8_t> padding(kBatch);
  int64_t epoch = 0;

  for (auto _ : state) {
    sampler.call(&strata_sampler_api::set_epoch, ++epoch);
    sampler.call(
        &strata_sampler_api::indices, int64_t{640'000}, kBatch, indices.data(), padding.data());
    benchmark::DoNotOptimize(indices.data());
  }
}

BENCHMARK(resume_in_the_middle)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
