// Zero1Strategy: ZeRO stage 1. Every rank keeps all values and all gradients, but updates only its own shard of them.
// The optimizer's state is made for what a rank updates, so it is cut over the ranks.
//
//   backward       adds to whole gradients; those of an accumulation window add up in place
//   backward_done  at a window's end: reduce-scatter, which leaves in the own shard the sum over all ranks
//   (the host)     clips and updates what optim_views() showed: the own shard
//   post_step      all-gather: every rank gets the shards that others have updated
//
// What is sent equals one all-reduce of the gradients, as plain data parallelism sends: stage 1 saves memory for free.
#include <algorithm>
#include <vector>

#include "strata/cpp/strategy.hpp"
#include "strata/kit/touched.hpp"

namespace {

// Parameters and shards begin at multiples of so many elements. Then vector code meets the same alignment wherever a
// parameter lies, and computes the same bits as under a strategy that cuts nothing.
constexpr int64_t kAlign = 16;

constexpr int64_t align_up(int64_t elements) {
  return (elements + kAlign - 1) / kAlign * kAlign;
}

struct Config {
  strata::Node table;  // strategy's own, to say where it stands
};

/// A parameter's place in its piece, in elements.
struct Place {
  int32_t param;
  int64_t begin;
  int64_t numel;
};

/// Parameters of one element type, one after the other. A collective and an optimizer view know one type only, so a
/// model that mixes types has several pieces. Frozen parameters have pieces of their own, whole and without gradients.
struct Piece {
  int32_t dtype = STRATA_F32;
  bool trainable = true;
  int64_t used = 0;   // elements up to the end of the last parameter
  int64_t shard = 0;  // elements that one rank updates
  int64_t total =
      0;  // elements of all shards; what `used` does not reach is padding, and stays zero
  std::vector<Place> places;
  std::vector<strata_segment> own;  // what of which parameter lies in the own shard
  strata::Buffer values;
  strata::Buffer grads;

  [[nodiscard]] int64_t bytes(int64_t elements) const { return elements * strata::size_of(dtype); }
};

/// Lays all parameters out, each in the piece of its kind, in the order in which the model declares them: the same on
/// all ranks. A tied parameter is one parameter, so it has one place.
std::vector<Piece> lay_out(const strata::ModelView& model, int32_t ranks) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < model.params().size(); ++i) {
    const strata_param_desc& param = model.params()[i];
    const bool trainable = strata::is_trainable(param);
    auto piece = std::ranges::find_if(
        pieces, [&](const Piece& p) { return p.dtype == param.dtype && p.trainable == trainable; });
    if (piece == pieces.end()) {
      piece = pieces.emplace(piece);
      piece->dtype = param.dtype;
      piece->trainable = trainable;
    }
    piece->places.push_back({static_cast<int32_t>(i), piece->used, param.numel});
    piece->used = align_up(piece->used + param.numel);
  }
  for (Piece& piece : pieces) {
    piece.shard = align_up((piece.used + ranks - 1) / ranks);
    piece.total = piece.trainable ? piece.shard * ranks : piece.used;
  }
  return pieces;
}

/// The stretches of parameters in one rank's shard. Where a shard ends has nothing to do with where parameters end, so
/// the first and the last one may be cut. A small piece has shards without any.
std::vector<strata_segment> segments_of(const Piece& piece, int32_t rank) {
  const int64_t first = rank * piece.shard;
  std::vector<strata_segment> out;
  for (const Place& place : piece.places) {
    const int64_t begin = std::max(place.begin, first);
    const int64_t end = std::min(place.begin + place.numel, first + piece.shard);
    if (begin < end) {
      strata_segment segment = {};
      segment.view_offset = begin - first;
      segment.param_offset = begin - place.begin;
      segment.count = end - begin;
      segment.param = place.param;
      out.push_back(segment);
    }
  }
  return out;
}

class Zero1Strategy final : public strata::Strategy {
 public:
  explicit Zero1Strategy(const Config& config) : table_(config.table) {}

  void setup_env(const strata_setup_args& args) override {
    rank_ = args.rank;
    ranks_ = args.world_size;
    world_ = strata::Group::world(runtime());
  }

  // Values are always here, so no unit needs an event: all are joined into the root.
  void plan_units(const strata::ModelView& model, std::span<strata_unit_plan> plan) override {
    model_ = model;
    refuse_half(model);
    std::ranges::fill(plan, strata_unit_plan{.owner = 0, .events = 0});
    pieces_ = lay_out(model, ranks_);
    for (Piece& piece : pieces_) {
      if (piece.trainable) {
        piece.own = segments_of(piece, rank_);
      }
    }
  }

  // Called once, for the root. Every rank draws the same first values, so nothing is sent.
  void materialize(int32_t) override {
    for (Piece& piece : pieces_) {
      make_buffers(piece);
      bind(piece);
    }
    const strata::Params params(runtime());
    for (size_t unit = 0; unit < model_.units().size(); ++unit) {
      params.init_unit(static_cast<int32_t>(unit));
    }
  }

  // The whole of stage 1 lies in this: the host is shown one shard and makes the optimizer's state for that alone. A
  // rank whose shard is all padding shows an empty view: norms are summed over the group and need all its ranks.
  void optim_views(const strata::OptimViewSink& out) override {
    for (const Piece& piece : pieces_) {
      if (!piece.trainable) {
        continue;
      }
      strata_optim_view view = {};
      view.value = piece.values.c();
      view.grad = piece.grads.c();
      view.value_offset = view.grad_offset = own_offset(piece);
      view.numel = piece.shard;
      view.value_dtype = view.grad_dtype = piece.dtype;
      view.segments = piece.own.data();
      view.n_segments = piece.own.size();
      view.group = world_.c();
      out.put(view);
    }
  }

  // Gradients of a window have added up in place, so they are reduced once, by the backward that an update follows. The
  // host seeds backward with 1 / world_size: the plain sum over ranks, in rank order, is the mean. The sum replaces the
  // own shard's gradients; those of other shards are of no use any more until the host zeroes all. It does so after the
  // update, and after an error; so there is no abort_iter() here.
  void backward_done(const strata_step_ctx& ctx) override {
    if (ranks_ == 1 || (ctx.flags & STRATA_CTX_LAST_MICRO) == 0) {
      return;
    }
    // A parameter that only some ranks reached is updated by all of them, or values would part.
    strata::kit::agree_on_touched(runtime(), model_, {});
    for_each_trainable([this](const Piece& piece) {
      std::byte* const all = piece.grads.data();
      return world_.reduce_scatter(all, all + own_offset(piece), piece.shard, piece.dtype);
    });
  }

  void post_step(const strata_step_ctx& ctx) override {
    if ((ctx.flags & STRATA_CTX_SKIPPED) == 0) {
      gather_values();
    }
  }

  // Someone wrote to the shards (averaged weights, say): as after an update.
  void values_changed() override { gather_values(); }

  // From the layout alone: may be asked of an object that has seen no run.
  void estimate(const strata_estimate_args& args, strata_estimate& out) override {
    const strata::ModelView model{args.model};
    refuse_half(model);
    out.sent_bytes_per_step =
        args.world_size > 1 ? strata::kit::touched_bytes(model, args.world_size) : 0;
    for (const Piece& piece : lay_out(model, args.world_size)) {
      out.param_bytes += piece.bytes(piece.total);
      if (piece.trainable) {
        out.grad_bytes += piece.bytes(piece.total);
        out.optim_bytes += piece.bytes(piece.shard) * args.optim_state_per_element;
        // A reduce-scatter, then an all-gather: in each a rank sends all but one shard.
        out.sent_bytes_per_step += 2 * piece.bytes(piece.total - piece.shard);
      }
    }
  }

 private:
  // Small updates of a half value round to nothing. Real ZeRO keeps an fp32 master of each shard; this does not.
  void refuse_half(const strata::ModelView& model) const {
    for (const strata_param_desc& param : model.params()) {
      if (strata::is_trainable(param) && strata::size_of(param.dtype) < 4) {
        throw strata::config_error(
            table_.where(),
            "parameter ",
            strata::view(param.name),
            " is ",
            strata::dtype_name(param.dtype),
            ", which needs fp32 masters, and Zero1Strategy keeps none; give the model dtype = "
            "\"float32\" and use AmpOptimWrapper to compute in half");
      }
    }
  }

  // Zeroed, so that padding never holds a NaN: it takes part in sums and norms.
  void make_buffers(Piece& piece) const {
    const int64_t bytes = piece.bytes(piece.total);
    piece.values = strata::Buffer(runtime(), bytes, STRATA_BUFFER_ZEROED, "param");
    if (piece.trainable) {
      piece.grads = strata::Buffer(runtime(), bytes, STRATA_BUFFER_ZEROED, "grad");
    }
  }

  // From now on forward reads here and backward adds here; the optimizer works on a part of the same memory.
  void bind(const Piece& piece) const {
    const strata::Params params(runtime());
    for (const Place& place : piece.places) {
      const int64_t at = piece.bytes(place.begin);
      params.bind_view(place.param, piece.values, at, piece.dtype);
      if (piece.trainable) {
        params.bind_grad_view(place.param, piece.grads, at, piece.dtype);
      }
    }
  }

  // Bytes in both buffers of a piece.
  [[nodiscard]] int64_t own_offset(const Piece& piece) const {
    return piece.bytes(rank_ * piece.shard);
  }

  void gather_values() const {
    if (ranks_ == 1) {
      return;
    }
    for_each_trainable([this](const Piece& piece) {
      std::byte* const all = piece.values.data();
      return world_.all_gather(all + own_offset(piece), all, piece.shard, piece.dtype);
    });
  }

  // Starts one collective for each piece, then waits for all: they may run side by side. When a start or a wait throws,
  // the destructors of the works wait for the rest, so that nothing writes to the buffers afterwards.
  template <class Start>
  void for_each_trainable(const Start& start) const {
    std::vector<strata::Work> works;
    for (const Piece& piece : pieces_) {
      if (piece.trainable) {
        works.push_back(start(piece));
      }
    }
    for (strata::Work& work : works) {
      work.wait();
    }
  }

  strata::Node table_;
  int32_t rank_ = 0;
  int32_t ranks_ = 1;
  strata::Group world_;
  strata::ModelView model_;
  std::vector<Piece> pieces_;
};

}  // namespace

STRATA_PLUGIN(strata::exported<Zero1Strategy, Config>("Zero1Strategy")
                  .doc("ZeRO stage 1: optimizer state cut over the ranks.")
                  .whole_table(&Config::table));
