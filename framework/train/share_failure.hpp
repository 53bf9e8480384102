// One rank's failure becomes everybody's.
#pragma once

#include <functional>
#include <string>

#include "strata/cpp/error.hpp"

#include "train/session.hpp"

namespace strata::train {

/// An error as text that travels to other ranks, and back.
std::string error_text(const Error& e);
Error error_from(const std::string& text);

/// Runs the body on all ranks. An Error of rank 0 is thrown on every rank, with its cause: they stay in step, and
/// whoever asked decides what it means. Another rank's failure, and one of communication, leaves through the end of the
/// run, which ends the others too. Collective.
void share_failure(Session& session, const std::function<void()>& body);

/// The same for a body that only rank 0 runs. Collective.
void on_rank_zero(Session& session, const std::function<void()>& body);

}  // namespace strata::train
