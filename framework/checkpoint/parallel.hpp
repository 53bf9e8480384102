// Work on files by several threads at once.
#pragma once

#include <cstddef>
#include <functional>

namespace strata::checkpoint {

/// Calls job(0), …, job(count - 1), this thread and up to three others one after the other as each is free: a disk wants
/// several requests at a time, and the page cache gives more to two cores than to one. `bytes`: that all of them read;
/// for few of them no thread is made. Returns when all are done.
/// Errors: what the first of the failing jobs threw; those after it may not have been called.
void in_parallel(size_t count, size_t bytes, const std::function<void(size_t)>& job);

}  // namespace strata::checkpoint
