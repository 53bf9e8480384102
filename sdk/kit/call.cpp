// Collectives in words.
#include "strata/kit/call.hpp"

#include "strata/cpp/dtype.hpp"
#include "strata/cpp/error.hpp"
#include "strata/kit/reduce.hpp"

namespace strata::kit {

std::string describe(const Call& call) {
  static constexpr const char* kNames[] = {"joining",
                                           "all_reduce",
                                           "reduce_scatter",
                                           "all_gather",
                                           "broadcast",
                                           "all_to_all",
                                           "barrier"};
  if (call.kind == kJoin) {
    return kNames[kJoin];
  }
  std::string name = text(kNames[call.kind], " no. ", call.sequence);
  if (call.kind == kBarrier) {
    return name;
  }
  std::string detail;
  if (call.kind == kAllReduce || call.kind == kReduceScatter) {
    detail = text(reduce_name(call.detail), ", ");
  } else if (call.kind == kBroadcast) {
    detail = text("root ", call.detail, ", ");
  }
  return text(name,
              " (",
              detail,
              call.count,
              " x ",
              dtype_name(call.dtype),
              ", ",
              call.count * size_of(call.dtype),
              " bytes)");
}

std::string describe_mismatch(int rank, const Call& own, int peer, const Call& theirs) {
  return text("ranks are out of step: rank ",
              rank,
              " called ",
              describe(own),
              ", rank ",
              peer,
              " called ",
              describe(theirs),
              ". Every rank must call the same collectives in the same order");
}

}  // namespace strata::kit
