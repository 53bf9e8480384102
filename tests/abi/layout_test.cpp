// Compares the layout of the C border with the one that plugins were built against.
#include "layout.hpp"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

TEST(AbiLayout, IsThatOfTheGoldenTable) {
  std::ostringstream golden;
  golden << std::ifstream(STRATA_SOURCE_DIR "/tests/abi/layout.golden").rdbuf();

  EXPECT_EQ(abi_layout(), golden.str()) << "If the change is meant: raise STRATA_ABI_MINOR and run "
                                           "`abi_layout > tests/abi/layout.golden`";
}

TEST(AbiLayout, CoversTheTablesOfAllKinds) {
  const std::string layout = abi_layout();

  for (const char* table : {"strata_plugin",
                            "strata_host",
                            "strata_strategy_api",
                            "strata_optimizer_api",
                            "strata_hook_api",
                            "strata_dataset_api",
                            "strata_model_api",
                            "strata_communicator_api"}) {
    EXPECT_THAT(layout, testing::HasSubstr(std::string("\n") + table + " size "));
  }
}

}  // namespace
