// Ending a run early without losing what it has done.
#include <system_error>

#include "strata/cpp/error.hpp"

#include "train/runner.hpp"

namespace strata::train {

// Of no rank but this one, whose end ends the others: there is nothing yet that were worth saving.
void Runner::stop_if_interrupted() const {
  if (signal_ && signal_() != 0) {
    throw Error(STRATA_E_STOPPED, text("stopped by a signal at iteration ", progress_.iter));
  }
}

// Weights are whole, and no gradients wait: what is saved here goes on to the bit.
void Runner::stop_if_asked() {
  if (window_open_ || updates_here_ == 0) {
    return;
  }
  if (const auto request = stop_poll_.after_step()) {
    save_for_stop(*request);
    throw EarlyEnd{};
  }
}

void Runner::save_for_stop(const StopRequest& request) {
  const std::string cause =
      request.signal != 0
          ? text("signal ", request.signal)
          : text("the file ", stop_poll_.request().filename().string(), " in the work_dir");
  session_.log().info("Stopping because of {}: saving iteration {}", cause, iters_done_);
  if (resumable_.iters != iters_done_ || resumable_.epochs != epochs_done_) {
    save_checkpoint({{}, text("iter_", iters_done_)});
  }
  writer_.wait();
  stopped_ = request;
  session_.log().info("Stopped by {} at iteration {}. The run goes on from {} with --resume.",
                      cause,
                      iters_done_,
                      resumable_.path);
  if (request.signal == 0 && session_.world().is_main()) {
    std::error_code failure;
    if (!std::filesystem::remove(stop_poll_.request(), failure)) {
      session_.log().warn("{} could not be removed; a resumed run would stop at once",
                          stop_poll_.request().string());
    }
  }
}

}  // namespace strata::train
