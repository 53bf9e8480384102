// The loader: plans batches with the sampler on the caller's thread, has them made, hands them out
// in order.
#include "data/loader.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "data/workers.hpp"

namespace strata::data {
namespace {

void check_options(const LoaderOptions& options) {
  if (options.batch_size < 1) {
    throw config_error(
        options.where, "batch_size = ", options.batch_size, "; it must be at least 1");
  }
  if (options.num_workers < 0) {
    throw config_error(
        options.where, "num_workers = ", options.num_workers, "; it must be 0 or more");
  }
  if (options.prefetch < 1) {
    throw config_error(
        options.where, "prefetch_factor = ", options.prefetch, "; it must be at least 1");
  }
}

}  // namespace

struct Loader::Impl {
  Impl(Pipeline pipeline, border::Object<strata_sampler_api> sampler, LoaderOptions options);

  void begin_sampler() const;
  [[nodiscard]] int64_t batches() const;
  [[nodiscard]] BatchPlan plan(int64_t batch);
  [[nodiscard]] int64_t count_valid() const;
  [[nodiscard]] SampleKey key(int64_t position, int64_t index) const;
  void begin_pass(int64_t new_epoch, int64_t from_batch);
  bool next(Batch& out);
  void make_next(Batch& out);
  void end_pass();

  Pipeline pipeline;
  border::Object<strata_sampler_api> sampler;
  LoaderOptions options;
  int64_t samples = 0;  // of this rank in a pass
  int64_t length = 0;   // batches

  bool in_pass = false;
  int64_t epoch = 0;
  int64_t next_out = 0;   // batch that next() hands out
  int64_t next_plan = 0;  // first batch not yet asked of the workers
  std::vector<int64_t> indices;
  std::vector<uint8_t> padding;

  strata_sample scratch;           // without workers
  std::optional<Workers> workers;  // last: they use the pipeline
};

Loader::Impl::Impl(Pipeline p, border::Object<strata_sampler_api> s, LoaderOptions o)
    : pipeline(std::move(p)), sampler(std::move(s)), options(std::move(o)) {
  check_options(options);
  pipeline.open();
  begin_sampler();
  sampler.call(&strata_sampler_api::length, &samples);
  length = batches();
}

void Loader::Impl::begin_sampler() const {
  strata_sampler_args args = {STRATA_HDR(strata_sampler_args),
                              pipeline.size(),
                              options.seed,
                              options.rank,
                              options.world_size,
                              options.batch_size,
                              options.drop_last ? 1 : 0,
                              0};
  sampler.call(&strata_sampler_api::begin, &args);
}

int64_t Loader::Impl::batches() const {
  if (samples == kEndless) {
    return kEndless;
  }
  if (options.drop_last && samples < options.batch_size) {
    throw config_error(
        options.where,
        "batch_size = ",
        options.batch_size,
        " is larger than the ",
        samples,
        " samples that rank ",
        options.rank,
        " of ",
        options.world_size,
        " gets of ",
        pipeline.type(),
        " (",
        pipeline.size(),
        " in all), and drop_last = true would leave no batch; make batch_size smaller or "
        "drop_last = false");
  }
  return samples / options.batch_size +
         (!options.drop_last && samples % options.batch_size != 0 ? 1 : 0);
}

SampleKey Loader::Impl::key(int64_t position, int64_t index) const {
  if (index < 0 || index >= pipeline.size()) {
    throw run_error("sampler ",
                    sampler.type(),
                    " gave index ",
                    index,
                    " at position ",
                    position,
                    " of rank ",
                    options.rank,
                    "; ",
                    pipeline.type(),
                    " has ",
                    pipeline.size(),
                    " samples");
  }
  // An endless pass meets a sample again and again; each time is to be augmented anew.
  const int64_t round =
      samples == kEndless ? (position * options.world_size + options.rank) / pipeline.size() : 0;
  return {options.seed, epoch, round, index};
}

int64_t Loader::Impl::count_valid() const {
  const auto first_padding = std::ranges::find_if(padding, [](uint8_t p) { return p != 0; });
  if (std::find(first_padding, padding.end(), uint8_t{0}) != padding.end()) {
    throw run_error("sampler ",
                    sampler.type(),
                    " put padding before samples that count; a batch wants it last");
  }
  return first_padding - padding.begin();
}

BatchPlan Loader::Impl::plan(int64_t batch) {
  const int64_t from = batch * options.batch_size;
  const int64_t n = std::min(options.batch_size, samples - from);
  indices.assign(static_cast<size_t>(n), -1);
  padding.assign(static_cast<size_t>(n), 0);
  sampler.call(&strata_sampler_api::indices, from, n, indices.data(), padding.data());

  BatchPlan out;
  out.samples.reserve(indices.size());
  for (int64_t i = 0; i < n; ++i) {
    out.samples.push_back(key(from + i, indices[static_cast<size_t>(i)]));
  }
  out.valid = count_valid();
  return out;
}

void Loader::Impl::begin_pass(int64_t new_epoch, int64_t from_batch) {
  if (from_batch < 0 || from_batch > length) {
    throw Error(STRATA_E_ARGUMENT,
                text("a pass cannot begin at batch ",
                     from_batch,
                     ": there are ",
                     length,
                     " batches of ",
                     options.batch_size));
  }
  end_pass();
  epoch = new_epoch;
  sampler.call(&strata_sampler_api::set_epoch, epoch);
  next_out = from_batch;
  next_plan = from_batch;
  in_pass = true;
  if (options.num_workers > 0 && !workers) {
    workers.emplace(pipeline, options.num_workers);
  }
}

void Loader::Impl::end_pass() {
  in_pass = false;
  if (workers && options.persistent) {
    workers->cancel();
  } else {
    workers.reset();
  }
}

bool Loader::Impl::next(Batch& out) {
  if (!in_pass) {
    throw Error(STRATA_E_ARGUMENT, "no pass over the data is under way; begin_pass() begins one");
  }
  if (next_out >= length) {
    end_pass();
    in_pass = true;  // asking again is no mistake; the answer stays the same
    return false;
  }
  try {
    make_next(out);
  } catch (...) {
    end_pass();
    throw;
  }
  next_out += 1;
  return true;
}

void Loader::Impl::make_next(Batch& out) {
  if (!workers) {
    const std::atomic<bool> never = false;
    out = make_batch(pipeline, plan(next_out), scratch, never);
    return;
  }
  const auto ahead = static_cast<size_t>(options.num_workers * options.prefetch);
  while (workers->pending() < ahead && next_plan < length) {
    workers->submit(plan(next_plan));
    next_plan += 1;
  }
  out = workers->take();
}

Loader::Loader(Pipeline pipeline, border::Object<strata_sampler_api> sampler, LoaderOptions options)
    : impl_(std::make_unique<Impl>(std::move(pipeline), std::move(sampler), std::move(options))) {}

Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

int64_t Loader::length() const {
  return impl_->length;
}

int64_t Loader::dataset_size() const {
  return impl_->pipeline.size();
}

const Pipeline& Loader::pipeline() const {
  return impl_->pipeline;
}

const LoaderOptions& Loader::options() const {
  return impl_->options;
}

void Loader::begin_pass(int64_t epoch, int64_t from_batch) {
  impl_->begin_pass(epoch, from_batch);
}

bool Loader::next(Batch& out) {
  return impl_->next(out);
}

}  // namespace strata::data
