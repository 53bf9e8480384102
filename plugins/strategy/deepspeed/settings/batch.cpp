// The batch triad.
#include "batch.hpp"

namespace strata::deepspeed {
namespace {

void check_micro(const BatchKeys& keys, const BatchFacts& facts, const std::string& where) {
  if (keys.micro && *keys.micro != facts.micro) {
    throw config_error(where,
                       "train_micro_batch_size_per_gpu = ",
                       *keys.micro,
                       ", but train_dataloader.batch_size = ",
                       facts.micro,
                       "; make them equal, or leave the former out");
  }
}

/// Without accumulation or micro-batch there is nothing to divide: the whole batch is one iteration.
int64_t of_train_alone(int64_t train, const BatchFacts& facts, const std::string& where) {
  const int64_t iteration = facts.micro * facts.ranks;
  if (train == iteration) {
    return 1;
  }
  const bool whole = train % iteration == 0;
  throw config_error(
      where,
      "train_batch_size = ",
      train,
      " alone means ",
      train,
      " / ",
      facts.ranks,
      " samples in a rank's iteration, but train_dataloader.batch_size = ",
      facts.micro,
      whole ? text("; set it to ",
                   train / facts.ranks,
                   ", or gradient_accumulation_steps = ",
                   train / iteration)
            : text("; no accumulation makes ", train, " of ", facts.ranks, " x ", facts.micro));
}

}  // namespace

std::optional<int64_t> accumulation(const BatchKeys& keys,
                                    const BatchFacts& facts,
                                    const std::string& where) {
  if (facts.micro == 0) {
    return keys.accumulation;  // nothing is trained
  }
  check_micro(keys, facts, where);
  if (!keys.train || facts.ranks == 0) {
    return keys.accumulation;
  }
  const int64_t iteration = facts.micro * facts.ranks;
  if (!keys.accumulation && !keys.micro) {
    return of_train_alone(*keys.train, facts, where);
  }
  const int64_t count = keys.accumulation.value_or(*keys.train / iteration);
  if (count * iteration != *keys.train) {
    throw config_error(where,
                       "train_batch_size = ",
                       *keys.train,
                       " is not ",
                       facts.micro,
                       " (train_dataloader.batch_size) x ",
                       keys.accumulation ? text(count) : "any whole number",
                       " (gradient_accumulation_steps) x ",
                       facts.ranks,
                       " (ranks)");
  }
  return count;
}

}  // namespace strata::deepspeed
