// The plugin of type MLP.
#include "strata/cpp/plugin.hpp"

#include "mlp.hpp"

using strata::mlp::Config;
using strata::mlp::Mlp;

STRATA_PLUGIN(
    strata::exported<Mlp, Config>("MLP")
        .doc("Fully connected layers for classification: img and label in, loss or logits out.")
        .field("in_features", &Config::in_features, "elements of one sample's img", "[1, inf)")
        .field("hidden", &Config::hidden, "widths of the hidden layers")
        .field("num_classes", &Config::num_classes, "width of the last layer", "[1, inf)")
        .field("activation", &Config::activation, "between the layers", "relu|gelu|tanh")
        .field("bias", &Config::bias, "whether the layers have one")
        .field("dtype", &Config::dtype, "of the parameters", "float32|float64"));
