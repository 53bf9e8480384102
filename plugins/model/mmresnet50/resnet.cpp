// The modules of ResNet-50, each a unit. Activations work in place, as torchvision's do.
#include "resnet.hpp"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>

#include "strata/torch/batch_norm.hpp"
#include "strata/torch/layers.hpp"
#include "strata/torch/loss.hpp"

namespace strata::resnet {
namespace {

constexpr int64_t kExpansion = 4;  // a bottleneck's output channels, in its inner ones

/// Makes the units of a module and registers them.
struct STRATA_HIDDEN Parent : torch::nn::Module {
  explicit Parent(at::ScalarType type) : dtype(type) {}

  Unit<Conv2dImpl> conv(const std::string& name, Conv2dImpl::Options options) {
    options.bias = false;
    options.dtype = dtype;
    return add<Conv2dImpl>(name, options);
  }

  Unit<BatchNorm2dImpl> norm(const std::string& name, int64_t channels) {
    BatchNormOptions options;
    options.dtype = dtype;
    return add<BatchNorm2dImpl>(name, channels, options);
  }

  template <class M, class... Args>
  Unit<M> add(const std::string& name, Args&&... args) {
    auto unit = Unit<M>::make(std::forward<Args>(args)...);
    register_module(name, unit.ptr());
    return unit;
  }

  at::ScalarType dtype;
};

/// Brings a block's input to the shape of its output.
struct DownsampleImpl : Parent {
  DownsampleImpl(int64_t in, int64_t out, int64_t stride, at::ScalarType type)
      : Parent(type),
        project(conv("0", {.in = in, .out = out, .stride = stride})),
        scale(norm("1", out)) {}

  at::Tensor forward(const at::Tensor& x) { return scale(project(x)); }

  Unit<Conv2dImpl> project;
  Unit<BatchNorm2dImpl> scale;
};

struct BottleneckImpl : Parent {
  BottleneckImpl(int64_t in, int64_t width, int64_t stride, at::ScalarType type)
      : Parent(type),
        conv1(conv("conv1", {.in = in, .out = width})),
        bn1(norm("bn1", width)),
        conv2(conv("conv2",
                   {.in = width, .out = width, .kernel = 3, .stride = stride, .padding = 1})),
        bn2(norm("bn2", width)),
        conv3(conv("conv3", {.in = width, .out = width * kExpansion})),
        bn3(norm("bn3", width * kExpansion)) {
    if (stride != 1 || in != width * kExpansion) {
      downsample = add<DownsampleImpl>("downsample", in, width * kExpansion, stride, type);
    }
  }

  at::Tensor forward(const at::Tensor& x) {
    at::Tensor out = bn1(conv1(x)).relu_();
    out = bn2(conv2(out)).relu_();
    out = bn3(conv3(out));
    out += downsample ? downsample(x) : x;
    return out.relu_();
  }

  Unit<Conv2dImpl> conv1;
  Unit<BatchNorm2dImpl> bn1;
  Unit<Conv2dImpl> conv2;
  Unit<BatchNorm2dImpl> bn2;
  Unit<Conv2dImpl> conv3;
  Unit<BatchNorm2dImpl> bn3;
  Unit<DownsampleImpl> downsample;  // empty where shapes agree
};

/// Blocks of one width; the first takes the stride.
struct StageImpl : Parent {
  struct Options {
    int64_t in;
    int64_t width;
    int64_t blocks;
    int64_t stride;
  };

  StageImpl(const Options& o, at::ScalarType type) : Parent(type) {
    for (int64_t i = 0; i < o.blocks; ++i) {
      blocks.push_back(add<BottleneckImpl>(std::to_string(i),
                                           i == 0 ? o.in : o.width * kExpansion,
                                           o.width,
                                           i == 0 ? o.stride : 1,
                                           type));
    }
  }

  at::Tensor forward(at::Tensor x) {
    for (const auto& block : blocks) {
      x = block(x);
    }
    return x;
  }

  std::vector<Unit<BottleneckImpl>> blocks;
};

}  // namespace

struct STRATA_HIDDEN Net : Parent {
  Net(int64_t num_classes, at::ScalarType type)
      : Parent(type),
        conv1(conv("conv1", {.in = 3, .out = 64, .kernel = 7, .stride = 2, .padding = 3})),
        bn1(norm("bn1", 64)) {
    const StageImpl::Options options[] = {
        {64, 64, 3, 1}, {256, 128, 4, 2}, {512, 256, 6, 2}, {1024, 512, 3, 2}};
    for (const auto& o : options) {
      stages.push_back(add<StageImpl>(text("layer", stages.size() + 1), o, type));
    }
    fc = add<LinearImpl>("fc", LinearImpl::Options{512 * kExpansion, num_classes, true, type});
  }

  at::Tensor forward(const at::Tensor& images) {
    at::Tensor x = bn1(conv1(images)).relu_();
    x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (const auto& stage : stages) {
      x = stage(x);
    }
    return fc(at::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }

  /// Whether the module is the last norm of a block, whose result joins the block's input.
  [[nodiscard]] bool ends_a_block(const torch::nn::Module& module) const {
    for (const auto& stage : stages) {
      for (const auto& block : stage->blocks) {
        if (block->bn3.ptr().get() == &module) {
          return true;
        }
      }
    }
    return false;
  }

  Unit<Conv2dImpl> conv1;
  Unit<BatchNorm2dImpl> bn1;
  std::vector<Unit<StageImpl>> stages;
  Unit<LinearImpl> fc;
};

std::shared_ptr<torch::nn::Module> MMResNet50::build() {
  net_ = std::make_shared<Net>(config_.num_classes,
                               config_.dtype == "float64" ? at::kDouble : at::kFloat);
  return net_;
}

Tensors MMResNet50::forward(const Tensors& batch, Mode mode) {
  const at::Tensor& images = batch.get("img");
  if (images.dim() != 4 || images.size(1) != 3) {
    throw Error(STRATA_E_ARGUMENT,
                text("MMResNet50 reads images [batch, 3, height, width], the field \"img\" is ",
                     images.sizes(),
                     "; a transform that turns images into tensors is missing"));
  }
  const at::Tensor logits = net_->forward(images.to(net_->conv1->weight.scalar_type()));
  Tensors out;
  if (mode == Mode::kLoss) {
    out.put("loss", classification_loss(logits, batch.get("label")));
  } else {
    out.put("logits", logits);
  }
  return out;
}

void MMResNet50::init_value(const torch::nn::Module& module,
                            const std::string& leaf,
                            at::Tensor& out,
                            const at::Generator& generator) {
  if (dynamic_cast<const Conv2dImpl*>(&module) != nullptr) {
    init_kaiming_fan_out(out, generator);
    return;
  }
  default_init(module, leaf, out, generator);
  if (config_.zero_init_residual && leaf == "weight" && net_->ends_a_block(module)) {
    out.zero_();
  }
}

}  // namespace strata::resnet
