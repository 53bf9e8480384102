// Which parameters make a piece, and who needs whom.
#include <algorithm>
#include <utility>

#include "strata/kit/sharded_units.hpp"

namespace strata::kit {
void ShardedUnits::plan(strata_runtime* runtime,
                        const ModelView& model,
                        std::span<const int32_t> owners,
                        ShardedOptions options) {
  runtime_ = runtime;
  model_ = model;
  options_ = std::move(options);
  owners_.assign(owners.begin(), owners.end());
  units_ = std::vector<Unit>(owners.size());
  places_.assign(model.params().size(), {});
  for (size_t u = 0; u < owners.size(); ++u) {
    at(owners[u]).members.push_back(static_cast<int32_t>(u));
  }
  for (size_t u = 0; u < units_.size(); ++u) {
    if (!units_[u].members.empty()) {
      units_[u].users.push_back(static_cast<int32_t>(u));
      units_[u].needs.push_back(static_cast<int32_t>(u));
      plan_pieces(static_cast<int32_t>(u));
    }
  }
  plan_borrowers(owners);
}

// Parameters kept alike lie in one piece.
void ShardedUnits::plan_pieces(int32_t unit) {
  Unit& u = at(unit);
  for (const int32_t member : u.members) {
    const strata_unit_desc& desc = model_.units()[static_cast<size_t>(member)];
    for (uint64_t i = 0; i < desc.n_params; ++i) {
      const strata_param_desc& p = model_.params()[static_cast<size_t>(desc.params[i])];
      const ParamPlacement placement = options_.placement(p);
      const auto alike = std::ranges::find_if(u.plans, [&](const Piece& piece) {
        return piece.placement == placement && piece.trainable == is_trainable(p);
      });
      Piece& piece = alike != u.plans.end()
                         ? *alike
                         : u.plans.emplace_back(Piece{{}, placement, is_trainable(p)});
      places_[static_cast<size_t>(desc.params[i])] = {
          unit, static_cast<size_t>(&piece - u.plans.data()), piece.params.size()};
      piece.params.push_back(desc.params[i]);
    }
  }
}

void ShardedUnits::plan_borrowers(std::span<const int32_t> owners) {
  for (size_t u = 0; u < owners.size(); ++u) {
    const strata_unit_desc& desc = model_.units()[u];
    const int32_t borrower = owners[u];
    for (uint64_t i = 0; i < desc.n_borrowed; ++i) {
      const int32_t owner = places_[static_cast<size_t>(desc.borrowed[i])].unit;
      auto& needs = at(borrower).needs;
      if (std::ranges::find(needs, owner) == needs.end()) {
        needs.push_back(owner);
        at(owner).users.push_back(borrower);
      }
    }
  }
}

ShardSpec spec_of(const ParamPlacement& placement, bool trainable, bool full_grads) {
  return effective({placement.mesh,
                    placement.value_dtype,
                    trainable ? placement.master_dtype : placement.value_dtype,
                    placement.reduce_dtype,
                    placement.grad_dtype,
                    trainable,
                    placement.resident,
                    full_grads});
}

ShardSpec ShardedUnits::Piece::spec() const {
  return spec_of(placement, trainable, /*full_grads=*/false);
}

void ShardedUnits::materialize(int32_t unit) {
  Unit& u = at(unit);
  u.pieces.reserve(u.plans.size());
  for (const Piece& plan : u.plans) {
    u.pieces.emplace_back(
        runtime_, lay_out(model_, plan.params, plan.placement.mesh->shards()), plan.spec());
    u.pieces.back().fill();
  }
  const Params params(runtime_);
  for (const int32_t member : u.members) {
    params.init_buffers(member);
    const strata_unit_desc& desc = model_.units()[static_cast<size_t>(member)];
    if (const auto dtype = options_.buffer_dtype ? options_.buffer_dtype(desc) : std::nullopt) {
      params.cast_buffers(member, *dtype);
    }
  }
}

void ShardedUnits::optim_views(const OptimViewSink& out) const {
  for (const Unit& u : units_) {
    for (const FlatShard& piece : u.pieces) {
      piece.put_view(out);
    }
  }
}

}  // namespace strata::kit
