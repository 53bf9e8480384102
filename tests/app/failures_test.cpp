// What fails while running ends with exit code 1, a message that names the cause, and no hanging
// rank.
#include <csignal>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "scene.hpp"

namespace strata::test {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;

/// A port of this machine that is taken while this lives.
class TakenPort {
 public:
  TakenPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    socklen_t length = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, generic, length), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, generic, &length), 0);
    number_ = ntohs(address.sin_port);
  }

  TakenPort(const TakenPort&) = delete;
  TakenPort& operator=(const TakenPort&) = delete;

  ~TakenPort() { close(fd_); }

  [[nodiscard]] int number() const { return number_; }

 private:
  int fd_;
  int number_ = 0;
};

int free_port() {
  return TakenPort().number();
}

class Failure : public Scene {
 protected:
  void spoil_label_of_image_20() const {
    std::string bytes = read_text(path("data/data_batch_1.bin"));
    bytes[size_t{20} * 3073] = static_cast<char>(77);
    write_text(path("data/data_batch_1.bin"), bytes);
  }

  /// Rank `rank` of 2, as torchrun starts it.
  [[nodiscard]] Start rank(int rank, int port, std::vector<std::string> args) const {
    Start start = strata(std::move(args));
    const auto set = [&start](const char* name, const std::string& value) {
      start.env.emplace_back(name, value);
    };
    set("RANK", std::to_string(rank));
    set("LOCAL_RANK", std::to_string(rank));
    set("WORLD_SIZE", "2");
    set("LOCAL_WORLD_SIZE", "2");
    set("MASTER_ADDR", "127.0.0.1");
    set("MASTER_PORT", std::to_string(port));
    return start;
  }
};

TEST_F(Failure, NamesTheRecordWithALabelOutOfRange) {
  spoil_label_of_image_20();

  for (const char* workers : {"num_workers = 0\n", "num_workers = 2\n"}) {
    const Outcome outcome = run_strata(
        {"train",
         config(std::string("[train_cfg]\nmax_epochs = 1\n[train_dataloader]\n") + workers)});

    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(
        outcome.err,
        AllOf(HasSubstr("record 20 of"), HasSubstr("has label 77"), HasSubstr("sample 20")));
  }
}

TEST_F(Failure, OfLossesThatAreNoNumberNamesTheIteration) {
  const Outcome outcome = run_strata(
      {"train",
       config(std::string(kThreeIterations) + "[optim_wrapper]\noptimizer = { lr = 1e30 }\n")});

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("at iteration 2"), HasSubstr("rank 0"), HasSubstr("learning rate")));
}

TEST_F(Failure, OfLossesIsAWarningIfTheConfigSaysSo) {
  train(config(std::string(kThreeIterations) +
               "[optim_wrapper]\noptimizer = { lr = 1e30 }\n"
               "[default_hooks]\n"
               "check_invalid_loss = { type = \"CheckInvalidLossHook\", on_invalid = \"warn\" }\n"),
        "work");

  EXPECT_THAT(log_of("work"), AllOf(HasSubstr("at iteration 2"), HasSubstr("Iter(train) [3/3]")));
}

TEST_F(Failure, OfOneRankEndsTheOther) {
  spoil_label_of_image_20();

  const Outcome outcome =
      run(strata({"train", config("[train_cfg]\nmax_epochs = 1\n"), "--nproc", "2"}), seconds(20));

  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("has label 77"), HasSubstr("of 2 (process")));
}

TEST_F(Failure, OfASaveNamesTheFileAndTheReason) {
  Start start = strata({"train", config(), "--work-dir", "work"});
  start.before_exec = [] {
    constexpr rlim_t kBytes = rlim_t{64} * 1024;  // the logs fit, the weights do not
    const rlimit limit{kBytes, kBytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);  // write() fails instead
  };

  const Outcome outcome = run(start);

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr(path("work/iter_3").string()),
                    HasSubstr("File too large"),
                    HasSubstr("model.safetensors")));
  EXPECT_FALSE(fs::exists(path("work/last_checkpoint")));
  EXPECT_FALSE(fs::exists(path("work/iter_3")));
}

TEST_F(Failure, OfASaveOfShardsEndsAllRanksWithTheReason) {
  fs::create_directories(path("work"));
  write_text(path("work/iter_3"), "a file of somebody's");

  const Outcome outcome =
      run(strata({"train",
                  config(std::string(kTestPlugins) + "strategy.type = \"FlatStrategy\"\n" +
                         kThreeIterations),
                  "--work-dir",
                  "work",
                  "--nproc",
                  "2"}),
          seconds(20));

  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("that is no checkpoint"), HasSubstr("rank 1: rank 0: cannot save")));
}

TEST_F(Failure, OfRanksWithDifferentConfigsNamesTheKey) {
  const int port = free_port();
  const std::string file = config();
  Program first(rank(0, port, {"train", file, "--work-dir", "work"}));
  Program second(
      rank(1, port, {"train", file, "--work-dir", "work", "--cfg-options", "model.hidden=[9]"}));

  for (Program* program : {&first, &second}) {
    const Outcome outcome = program->wait(seconds(20));
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    EXPECT_THAT(outcome.err,
                AllOf(HasSubstr("rank 1"),
                      HasSubstr("configuration"),
                      HasSubstr("hidden = [16]"),
                      HasSubstr("hidden = [9]")));
  }
}

TEST_F(Failure, OfAPortInUseNamesThePortAndTheVariable) {
  const TakenPort port;

  const Outcome outcome = run(rank(0, port.number(), {"train", config()}), seconds(20));

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("127.0.0.1:" + std::to_string(port.number())),
                    HasSubstr("in use"),
                    HasSubstr("MASTER_PORT")));
}

TEST_F(Failure, OfARankThatNeverComesNamesTheTimeout) {
  const Outcome outcome =
      run(rank(0, free_port(), {"train", config(), "--cfg-options", "env_cfg.dist_cfg.timeout=2"}),
          seconds(20));

  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("2000 ms"));
}

}  // namespace
}  // namespace strata::test
