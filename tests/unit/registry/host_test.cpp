// Tests of the process-wide host table.
#include "registry/host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parts.hpp"

namespace strata::registry {
namespace {

using border::view;
using testing::HasSubstr;

constexpr int kOne = 1;
constexpr int kTwo = 2;

const void* service(const strata_host* host, std::string_view id) {
  return host->get(view(id));
}

TEST(HostTable, HasItsCoreServices) {
  const strata_host* host = test_host();

  EXPECT_EQ(host->h.struct_size, sizeof(strata_host));
  EXPECT_EQ(host->error, border::error_service());
  EXPECT_EQ(host->log, log::log_service());
  EXPECT_EQ(host->config, config_service());
}

TEST(HostTable, GivesServicesByIdAndNullForOthers) {
  const CoreServices core = {border::error_service(), log::log_service(), config_service()};

  const strata_host* host = make_host(core, {{"test.one/1", &kOne}});
  make_host(core, {{"test.two/1", &kTwo}});

  EXPECT_EQ(host, test_host());
  EXPECT_EQ(service(host, "test.one/1"), &kOne);
  EXPECT_EQ(service(host, "test.two/1"), &kTwo);
  EXPECT_EQ(service(host, "test.one/2"), nullptr);
}

TEST(HostTable, RefusesAnotherTableForAKnownService) {
  const CoreServices core = {border::error_service(), log::log_service(), config_service()};
  make_host(core, {{"test.same/1", &kOne}});

  EXPECT_THAT(message_of([&] { make_host(core, {{"test.same/1", &kTwo}}); }),
              HasSubstr("test.same/1 is given twice"));
}

TEST(HostTable, RefusesOtherCoreServices) {
  test_host();

  EXPECT_THAT(
      message_of([] { make_host({border::error_service(), nullptr, config_service()}, {}); }),
      HasSubstr("has a host already"));
}

}  // namespace
}  // namespace strata::registry
