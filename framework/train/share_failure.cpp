// Telling the others.
#include "train/share_failure.hpp"

#include <optional>

#include <nlohmann/json.hpp>

namespace strata::train {

using nlohmann::json;

std::string error_text(const Error& e) {
  return json{e.code(), e.message(), e.where()}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

Error error_from(const std::string& text) {
  const json e = json::parse(text);
  return {e[0].get<strata_rc>(), e[1].get<std::string>(), e[2].get<std::string>()};
}

void share_failure(Session& session, const std::function<void()>& body) {
  std::optional<Error> failure;
  try {
    body();
  } catch (const Error& e) {
    if (e.code() == STRATA_E_COMM || !session.world().is_main()) {
      throw;
    }
    failure = e;
  }
  const std::string heard =
      session.world().broadcast_text(failure.has_value() ? error_text(*failure) : std::string());
  if (failure.has_value()) {
    throw Error(*failure);
  }
  if (!heard.empty()) {
    const Error e = error_from(heard);
    throw Error(e.code(), "rank 0: " + e.message(), e.where());
  }
}

void on_rank_zero(Session& session, const std::function<void()>& body) {
  share_failure(session, [&] {
    if (session.world().is_main()) {
      body();
    }
  });
}

}  // namespace strata::train
