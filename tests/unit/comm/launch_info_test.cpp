// What the launchers' environment variables mean.
#include "comm/launch_info.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

namespace strata::comm {
namespace {

using Variables = std::map<std::string, std::string>;
using testing::ElementsAre;
using testing::HasSubstr;

LaunchInfo read(const Variables& variables) {
  return from_environment([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string refusal_of(const Variables& variables) {
  try {
    read(variables);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_CONFIG);
    return e.what();
  }
  return "no refusal";
}

TEST(LaunchInfo, IsOneRankWithoutALauncher) {
  const LaunchInfo info = read({});

  EXPECT_EQ(info.world_size, 1);
  EXPECT_EQ(info.launcher, "none");
}

TEST(LaunchInfo, ReadsTorchrun) {
  const LaunchInfo info = read({{"RANK", "5"},
                                {"WORLD_SIZE", "8"},
                                {"LOCAL_RANK", "1"},
                                {"LOCAL_WORLD_SIZE", "4"},
                                {"MASTER_ADDR", "host-a"},
                                {"MASTER_PORT", "4711"},
                                {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                {"TORCHELASTIC_RESTART_COUNT", "2"}});

  EXPECT_EQ(info.launcher, "torchrun");
  EXPECT_EQ(info.rank, 5);
  EXPECT_EQ(info.world_size, 8);
  EXPECT_EQ(info.local_rank, 1);
  EXPECT_EQ(info.local_world_size, 4);
  EXPECT_EQ(info.master_addr, "host-a");
  EXPECT_EQ(info.master_port, 4711);
  EXPECT_TRUE(info.agent_store);
  EXPECT_EQ(info.restart, 2);
}

TEST(LaunchInfo, TakesTheFirstHostOfASlurmNodeList) {
  const LaunchInfo info = read({{"SLURM_PROCID", "3"},
                                {"SLURM_NTASKS", "4"},
                                {"SLURM_LOCALID", "1"},
                                {"SLURM_TASKS_PER_NODE", "2(x2)"},
                                {"SLURM_NODELIST", "node[003-007,9]"}});

  EXPECT_EQ(info.launcher, "slurm");
  EXPECT_EQ(info.rank, 3);
  EXPECT_EQ(info.local_rank, 1);
  EXPECT_EQ(info.local_world_size, 2);
  EXPECT_EQ(info.master_addr, "node003");
}

TEST(LaunchInfo, IgnoresAnAllocationInWhichItWasNotStartedAsARank) {
  EXPECT_EQ(read({{"SLURM_NTASKS", "4"}, {"SLURM_NODELIST", "a"}}).launcher, "none");
}

TEST(LaunchInfo, ReadsOpenMpiAndPmi) {
  const LaunchInfo mpi = read({{"OMPI_COMM_WORLD_RANK", "1"},
                               {"OMPI_COMM_WORLD_SIZE", "2"},
                               {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                               {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  const LaunchInfo pmi = read({{"PMI_RANK", "1"}, {"PMI_SIZE", "3"}});

  EXPECT_EQ(mpi.launcher, "mpi");
  EXPECT_EQ(mpi.rank, 1);
  EXPECT_EQ(pmi.launcher, "pmi");
  EXPECT_EQ(pmi.local_rank, 1);
  EXPECT_EQ(pmi.local_world_size, 3);
}

TEST(LaunchInfo, PrefersTorchrunInsideASlurmJob) {
  const LaunchInfo info =
      read({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}});

  EXPECT_EQ(info.launcher, "torchrun");
  EXPECT_EQ(info.world_size, 2);
}

TEST(LaunchInfo, NamesTheVariableThatMakesNoSense) {
  EXPECT_THAT(refusal_of({{"RANK", "one"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK=one"));
  EXPECT_THAT(refusal_of({{"RANK", "0"}}), HasSubstr("WORLD_SIZE is missing"));
  EXPECT_THAT(refusal_of({{"WORLD_SIZE", "2"}}), HasSubstr("RANK is missing"));
  EXPECT_THAT(refusal_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK=2"));
  EXPECT_THAT(refusal_of({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), HasSubstr("WORLD_SIZE=0"));
  EXPECT_THAT(refusal_of({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"MASTER_PORT", "99999"}}),
              HasSubstr("MASTER_PORT=99999"));
  EXPECT_THAT(
      refusal_of(
          {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "1"}, {"LOCAL_WORLD_SIZE", "1"}}),
      HasSubstr("LOCAL_RANK=1"));
}

TEST(LaunchInfo, WantsAMasterAddressFromALauncherOfSeveralMachines) {
  EXPECT_THAT(refusal_of({{"OMPI_COMM_WORLD_RANK", "0"},
                          {"OMPI_COMM_WORLD_SIZE", "4"},
                          {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}),
              HasSubstr("MASTER_ADDR is missing"));
}

TEST(NodeList, ExpandsRangesWithTheirLeadingZeros) {
  EXPECT_THAT(expand_node_list("a[01-03,7],b"), ElementsAre("a01", "a02", "a03", "a7", "b"));
  EXPECT_THAT(expand_node_list("r[1-2]n[8-9]"), ElementsAre("r1n8", "r1n9", "r2n8", "r2n9"));
  EXPECT_THAT(expand_node_list("n[9-10].net"), ElementsAre("n9.net", "n10.net"));
}

TEST(NodeList, RefusesWhatIsNone) {
  for (const char* list : {"n[1-2", "n]1[", "n[a-b]", "n[3-1]", "", "a,,b", "n[]"}) {
    EXPECT_THROW(expand_node_list(list), Error) << list;
  }
}

}  // namespace
}  // namespace strata::comm
