// The plugin of type MMResNet50.
#include "strata/cpp/plugin.hpp"

#include "resnet.hpp"

using strata::resnet::Config;
using strata::resnet::MMResNet50;

STRATA_PLUGIN(
    strata::exported<MMResNet50, Config>("MMResNet50")
        .doc("ResNet-50 for classification: img and label in, loss or logits out.")
        .field("num_classes", &Config::num_classes, "width of the last layer", "[1, inf)")
        .field("zero_init_residual",
               &Config::zero_init_residual,
               "whether every block begins as the identity: the scale of its last norm is 0")
        .field("dtype", &Config::dtype, "of parameters and running statistics", "float32|float64"));
