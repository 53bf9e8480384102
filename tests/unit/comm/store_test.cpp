// The stores in which ranks find each other, and the choice of a communicator.
#include "comm/store.hpp"

#include <thread>
#include <unistd.h>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "border/errors.hpp"
#include "border/sinks.hpp"

namespace strata::comm {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// A listening socket at a free port of the loopback interface.
std::pair<int, int> listening_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t length = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(listen(fd, 8), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  return {fd, ntohs(address.sin_port)};
}

LaunchInfo rank_at(int rank, int port, int fd) {
  LaunchInfo info;
  info.rank = rank;
  info.world_size = 2;
  info.master_port = port;
  info.listen_fd = rank == 0 ? fd : -1;
  return info;
}

TEST(LocalStore, WaitsForAKeyThatComesLater) {
  LocalStore store;
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(20));
    store.set("key", "value");
  });

  EXPECT_EQ(store.get("key", milliseconds(10'000)), "value");
  other.join();
}

TEST(LocalStore, NamesTheKeyThatNeverCame) {
  LocalStore store;

  try {
    store.get("missing", milliseconds(5));
    FAIL() << "no error came";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_COMM);
    EXPECT_THAT(e.what(), HasSubstr("\"missing\" within 5 ms"));
  }
}

TEST(LocalStore, IsReachedThroughItsTable) {
  const LocalStore store;
  const strata_store* c = store.c();
  const border::TextSink value;

  ASSERT_EQ(c->set(c->ctx, border::view("k"), border::view(std::string_view("a\0b", 3))),
            STRATA_OK);
  ASSERT_EQ(c->get(c->ctx, border::view("k"), 0, value.c()), STRATA_OK);

  EXPECT_EQ(value.str(), std::string("a\0b", 3));
  EXPECT_EQ(c->get(c->ctx, border::view("other"), 0, value.c()), STRATA_E_COMM);
}

TEST(TcpStore, CarriesValuesBetweenRanksOverAHandedSocket) {
  const auto [fd, port] = listening_socket();
  const auto server = connect_tcp_store(rank_at(0, port, fd), milliseconds(10'000));
  const auto client = connect_tcp_store(rank_at(1, port, fd), milliseconds(10'000));

  client->set("from-1", "hello");

  EXPECT_EQ(server->get("from-1", milliseconds(10'000)), "hello");
  EXPECT_THROW(server->get("never", milliseconds(50)), Error);
}

TEST(TcpStore, TellsThatThePortIsInUseAndWhatToDo) {
  const auto [fd, port] = listening_socket();

  try {
    connect_tcp_store(rank_at(0, port, -1), milliseconds(2'000));
    FAIL() << "no error came";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_FAILED);
    EXPECT_THAT(e.what(), HasSubstr("127.0.0.1:" + std::to_string(port)));
    EXPECT_THAT(e.what(), HasSubstr("MASTER_PORT"));
  }
  close(fd);
}

TEST(TcpStore, NamesTheAddressAtWhichNobodyAnswers) {
  const auto [fd, port] = listening_socket();
  close(fd);

  try {
    connect_tcp_store(rank_at(1, port, -1), milliseconds(500));
    FAIL() << "no error came";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), STRATA_E_COMM);
    EXPECT_THAT(e.what(), HasSubstr("127.0.0.1:" + std::to_string(port)));
  }
}

TEST(HostMap, HoldsEveryRanksMachine) {
  LocalStore store;
  LaunchInfo info;
  info.world_size = 2;
  store.set("strata/host/1", "elsewhere");

  const auto hosts = host_map(info, store, milliseconds(1'000));

  EXPECT_THAT(hosts, testing::ElementsAre(host_id(), "elsewhere"));
}

TEST(Choose, FitsTheCommunicatorToDeviceAndMachine) {
  EXPECT_EQ(choose(STRATA_CPU, true, true, ""), "threads");
  EXPECT_EQ(choose(STRATA_CPU, true, false, ""), "shm");
  EXPECT_EQ(choose(STRATA_CPU, false, false, ""), "gloo");
  EXPECT_EQ(choose(STRATA_CUDA, true, false, ""), "nccl");
  EXPECT_EQ(choose(STRATA_CPU, true, false, "gloo"), "gloo");
}

}  // namespace
}  // namespace strata::comm
