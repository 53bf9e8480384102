// Telling the others.
#include "train/share_failure.hpp"

#include <optional>

#include <nlohmann/json.hpp>

#include "strata/cpp/error.hpp"

namespace strata::train {

using nlohmann::json;

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
  json told = json::array();
  if (failure.has_value()) {
    told = {failure->code(), failure->message(), failure->where()};
  }
  const json heard = json::parse(
      session.world().broadcast_text(told.dump(-1, ' ', false, json::error_handler_t::replace)));
  if (failure.has_value()) {
    throw Error(*failure);
  }
  if (!heard.empty()) {
    throw Error(heard[0].get<strata_rc>(),
                "rank 0: " + heard[1].get<std::string>(),
                heard[2].get<std::string>());
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
