// What a GPT-2 is made of, in Hugging Face's names and with its defaults (the small model's).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace strata::gpt2 {

struct Config {
  int64_t vocab_size = 50257;
  int64_t n_positions = 1024;
  int64_t n_layer = 12;
  int64_t n_head = 12;
  int64_t n_embd = 768;
  std::optional<int64_t> n_inner = {};  // empty: 4 n_embd
  std::string activation_function = "gelu_new";
  double embd_pdrop = 0.1;
  double resid_pdrop = 0.1;
  double attn_pdrop = 0.1;
  double layer_norm_epsilon = 1e-5;
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
  bool scale_attn_weights = true;
  std::string dtype = "float32";
};

}  // namespace strata::gpt2
