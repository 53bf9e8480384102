// What a rank calls, in a form that ranks compare and messages quote.
#pragma once

#include <cstdint>
#include <string>

namespace strata::kit {

enum CallKind : int32_t {
  kJoin = 0,
  kAllReduce = 1,
  kReduceScatter = 2,
  kAllGather = 3,
  kBroadcast = 4,
  kAllToAll = 5,
  kBarrier = 6
};

/// A collective as one rank calls it. All ranks of the group must say the same. Bytes may travel as
/// they are.
struct Call {
  int64_t count = 0;
  int32_t kind = kJoin;
  int32_t dtype = 0;
  int32_t detail = 0;     ///< the reduction, or the root
  uint32_t sequence = 0;  ///< collectives of the group so far, with this one

  bool operator==(const Call&) const = default;
};

/// "all_reduce no. 12 (sum, 100 x f32, 400 bytes)"
std::string describe(const Call& call);

/// Tells both ranks' calls and the rule that they broke.
std::string describe_mismatch(int rank, const Call& own, int peer, const Call& theirs);

}  // namespace strata::kit
