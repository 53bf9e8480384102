// The plugin of type GPT2.
#include "strata/cpp/plugin.hpp"

#include "gpt2.hpp"

using strata::gpt2::Config;
using strata::gpt2::Gpt2;

STRATA_PLUGIN(
    strata::exported<Gpt2, Config>("GPT2")
        .doc("GPT-2 for language modelling: input_ids and labels in, loss or logits out.")
        .field("vocab_size", &Config::vocab_size, "tokens it knows", "[1, inf)")
        .field("n_positions", &Config::n_positions, "most tokens of a sample", "[1, inf)")
        .field("n_layer", &Config::n_layer, "blocks", "[1, inf)")
        .field("n_head", &Config::n_head, "attention heads; a divisor of n_embd", "[1, inf)")
        .field("n_embd", &Config::n_embd, "width of the residual stream", "[1, inf)")
        .field("n_inner", &Config::n_inner, "width inside the MLP; absent: 4 n_embd", "[1, inf)")
        .field("activation_function",
               &Config::activation_function,
               "inside the MLP; gelu_new: by tanh",
               "gelu_new|gelu|relu")
        .field("embd_pdrop", &Config::embd_pdrop, "dropout of the embeddings", "[0, 1]")
        .field("resid_pdrop", &Config::resid_pdrop, "dropout before each sum", "[0, 1]")
        .field("attn_pdrop", &Config::attn_pdrop, "dropout of attention weights", "[0, 1]")
        .field("layer_norm_epsilon", &Config::layer_norm_epsilon, "of the norms", "(0, inf)")
        .field("initializer_range",
               &Config::initializer_range,
               "standard deviation of initial weights",
               "[0, inf)")
        .field("tie_word_embeddings",
               &Config::tie_word_embeddings,
               "whether the head uses the token embedding's weight")
        .field("scale_attn_weights",
               &Config::scale_attn_weights,
               "whether attention scores are divided by the root of a head's width")
        .field("dtype", &Config::dtype, "of the parameters", "float32|float64|bfloat16|float16"));
