// The image transforms as a plugin.
#include "augment.hpp"
#include "tensor.hpp"

STRATA_PLUGIN(
    strata::exported<image::RandomCrop, image::CropConfig>("RandomCrop")
        .doc("Cuts a window at a random place out of the padded image.")
        .required("size", &image::CropConfig::size, "pixels: a side, or [height, width]")
        .field("padding",
               &image::CropConfig::padding,
               "pixels around the image: all sides, [left and right, top and bottom] or [left, "
               "top, right, bottom]; 0 "
               "without it")
        .field("fill",
               &image::CropConfig::fill,
               "value of the padding: one, or one a channel; 0 without it"),
    strata::exported<image::RandomHorizontalFlip, image::FlipConfig>("RandomHorizontalFlip")
        .doc("Mirrors the image left to right, at random.")
        .field("p", &image::FlipConfig::p, "probability", "[0, 1]"),
    strata::exported<image::ToTensor>("ToTensor")
        .doc("u8 [H, W, C] to f32 [C, H, W], divided by 255."),
    strata::exported<image::Normalize, image::NormalizeConfig>("Normalize")
        .doc("(x - mean) / std, channel by channel, on f32 [C, H, W].")
        .required("mean", &image::NormalizeConfig::mean, "one a channel, or one for all")
        .required("std", &image::NormalizeConfig::std, "one a channel, or one for all; not 0")
        .field("inplace",
               &image::NormalizeConfig::inplace,
               "taken as torchvision does; it always works in place"));
