// A host for tests of data plugins: configuration from JSON text, the sample service, tensors in
// plain memory.
#pragma once

#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "strata/abi.h"

#include "border/errors.hpp"
#include "border/object.hpp"
#include "data/sample.hpp"

/// The test host's tensor: dense memory and its view.
struct strata_tensor {
  std::vector<char> bytes;
  strata_view view{};
};

namespace strata::test {

using Json = nlohmann::json;

inline const Json& json_of(const strata_node* node) {
  return *reinterpret_cast<const Json*>(node);
}

inline const strata_node* node_of(const Json& json) {
  return reinterpret_cast<const strata_node*>(&json);
}

/// Configuration nodes over JSON values; the place of a value is its JSON text.
struct JsonConfig {
  static int32_t kind(const strata_node* node) {
    const Json& json = json_of(node);
    if (json.is_boolean()) {
      return STRATA_NODE_BOOL;
    }
    if (json.is_number_integer()) {
      return STRATA_NODE_INT;
    }
    if (json.is_number_float()) {
      return STRATA_NODE_FLOAT;
    }
    if (json.is_string()) {
      return STRATA_NODE_TEXT;
    }
    return json.is_array() ? STRATA_NODE_LIST : STRATA_NODE_TABLE;
  }

  static uint64_t size(const strata_node* node) {
    return json_of(node).is_structured() ? json_of(node).size() : 0;
  }

  static strata_rc entry(const strata_node* node,
                         uint64_t i,
                         strata_str* key,
                         const strata_node** out) {
    return border::guarded([&] {
      const Json& json = json_of(node);
      const auto at = std::next(json.begin(), static_cast<std::ptrdiff_t>(i));
      *key = json.is_object() ? border::view(std::string_view(at.key())) : strata_str{nullptr, 0};
      *out = node_of(*at);
    });
  }

  static strata_rc find(const strata_node* node, strata_str path, const strata_node** out) {
    return border::guarded([&] {
      const Json& json = json_of(node);
      const auto at = json.find(std::string(border::view(path)));
      *out = at == json.end() ? nullptr : node_of(*at);
    });
  }

  template <class T>
  static strata_rc as(const strata_node* node, T* out) {
    return border::guarded([&] { *out = json_of(node).get<T>(); });
  }

  static strata_rc as_bool(const strata_node* node, int32_t* out) {
    return border::guarded([&] { *out = json_of(node).get<bool>() ? 1 : 0; });
  }

  static strata_rc as_text(const strata_node* node, strata_str* out) {
    return border::guarded([&] {
      *out = border::view(std::string_view(json_of(node).get_ref<const std::string&>()));
    });
  }

  static strata_str where(const strata_node* node) {
    thread_local std::string place;
    place = "config.json:" + json_of(node).dump();
    return border::view(std::string_view(place));
  }

  static void mark_read(const strata_node*) {}

  static strata_rc to_json(const strata_node* node, const strata_text_sink* out) {
    return border::guarded([&] {
      const std::string text = json_of(node).dump();
      border::check(out->put(out->ctx, border::view(std::string_view(text))));
    });
  }

  static const strata_config_api* api() {
    static const strata_config_api table = {STRATA_HDR(strata_config_api),
                                            &kind,
                                            &size,
                                            &entry,
                                            &find,
                                            &as_bool,
                                            &as<int64_t>,
                                            &as<double>,
                                            &as_text,
                                            &where,
                                            &mark_read,
                                            &to_json};
    return &table;
  }
};

/// A dense CPU tensor with a copy of the values.
template <class T>
strata_tensor make_tensor(int32_t dtype,
                          const std::vector<int64_t>& shape,
                          const std::vector<T>& values) {
  strata_tensor out;
  out.bytes.resize(values.size() * sizeof(T));
  std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
  out.view.data = out.bytes.data();
  out.view.dtype = dtype;
  out.view.ndim = static_cast<int32_t>(shape.size());
  out.view.numel = static_cast<int64_t>(values.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    out.view.shape[i] = shape[i];
    out.view.stride[i] = stride;
    stride *= shape[i];
  }
  return out;
}

struct PlainTensors {
  static strata_rc view(strata_tensor* t, strata_view* out) {
    *out = t->view;
    return STRATA_OK;
  }

  static strata_rc make(
      strata_runtime*, int32_t dtype, int32_t ndim, const int64_t* shape, strata_tensor** out) {
    return border::guarded([&] {
      const std::vector<int64_t> extents(shape, shape + ndim);
      int64_t numel = 1;
      for (const int64_t extent : extents) {
        numel *= extent;
      }
      const std::vector<float> zeros(static_cast<size_t>(numel));
      *out = std::make_unique<strata_tensor>(make_tensor(dtype, extents, zeros)).release();
    });
  }

  static void release(strata_tensor* t) { const std::unique_ptr<strata_tensor> own(t); }

  /// From bf16 to f32 alone: what the tests of this folder need.
  static strata_rc copy(strata_tensor* dst, strata_tensor* src, strata_stream*) {
    if (src->view.dtype != STRATA_BF16 || dst->view.dtype != STRATA_F32) {
      return border::record(STRATA_E_UNSUPPORTED, "the test host casts bf16 to f32 only", {});
    }
    for (int64_t i = 0; i < src->view.numel; ++i) {
      const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(src->view.data)[i])
                            << 16U;
      std::memcpy(static_cast<float*>(dst->view.data) + i, &bits, sizeof(bits));
    }
    return STRATA_OK;
  }

  static strata_rc to_dlpack(strata_tensor*, void**) {
    return border::record(STRATA_E_UNSUPPORTED, "the test host has no DLPack", {});
  }

  static const strata_tensor_api* api() {
    static const strata_tensor_api table = {
        STRATA_HDR(strata_tensor_api), &view, &make, &release, &copy, &to_dlpack};
    return &table;
  }
};

inline int32_t log_enabled(strata_runtime*, int32_t) {
  return 0;
}

inline void log_write(strata_runtime*, int32_t, strata_str) {}

inline const void* get_service(strata_str id) {
  if (border::view(id) == STRATA_SAMPLE_API) {
    return data::sample_service();
  }
  return border::view(id) == STRATA_TENSOR_API ? PlainTensors::api() : nullptr;
}

inline const strata_host* sample_host() {
  static const strata_log_api log = {STRATA_HDR(strata_log_api), &log_enabled, &log_write};
  static const strata_host host = {
      STRATA_HDR(strata_host), border::error_service(), &log, JsonConfig::api(), &get_service};
  return &host;
}

/// A loaded plugin; never unloaded.
class PluginFile {
 public:
  /// name: "dataset_cifar"; looked for in STRATA_PLUGIN_DIR.
  explicit PluginFile(const std::string& name) {
    const std::string path = std::string(STRATA_PLUGIN_DIR) + "/" + name + ".so";
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      throw run_error("cannot load ", path, ": ", ::dlerror());
    }
    const auto entry =
        reinterpret_cast<strata_plugin_entry_fn>(::dlsym(library, STRATA_PLUGIN_ENTRY));
    if (entry == nullptr) {
      throw run_error(path, " has no ", STRATA_PLUGIN_ENTRY);
    }
    plugin_ = entry();
    border::check(plugin_->init(sample_host()));
  }

  /// config: JSON text; kept as long as this file.
  template <class Api>
  border::Object<Api> create(const std::string& type, const std::string& config = "{}") {
    configs_.push_back(std::make_unique<Json>(Json::parse(config)));
    const strata_create_args args = {STRATA_HDR(strata_create_args),
                                     border::view(std::string_view(type)),
                                     node_of(*configs_.back()),
                                     nullptr};
    strata_object object{};
    border::check(plugin_->create(&args, &object));
    return border::Object<Api>(object, type);
  }

 private:
  const strata_plugin* plugin_ = nullptr;
  std::vector<std::unique_ptr<Json>> configs_;
};

/// What `body` throws, as text; empty when it throws nothing.
template <class F>
std::string error_of(F&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

/// Its code; STRATA_OK when it throws nothing.
template <class F>
strata_rc code_of(F&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.code();
  }
  return STRATA_OK;
}

}  // namespace strata::test
