// The parent of local ranks: forks them, passes their stderr on, forwards signals, ends all when
// one fails.
#include "comm/launch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "strata/cpp/error.hpp"

#include "comm/launch_child.hpp"
#include "comm/tail.hpp"

namespace strata::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kGrace{5};  // from the end of one to SIGKILL for the others

Error system_error(const char* what) {
  return run_error("cannot start ranks: ", what, ": ", std::strerror(errno));
}

/// A file descriptor, closed with its owner.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}

  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }

  void reset() {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
    }
  }

 private:
  int fd_;
};

struct Rank {
  pid_t pid = 0;
  Fd stderr_pipe;
  Tail tail;
  std::optional<int> status;  // of waitpid
};

bool failed(int status) {
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

// Ended by itself because a signal asked it to: it has told the other ranks.
bool stopped(int status) {
  return WIFEXITED(status) &&
         (WEXITSTATUS(status) == 128 + SIGINT || WEXITSTATUS(status) == 128 + SIGTERM);
}

int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string describe(int status) {
  if (WIFEXITED(status)) {
    return text("ended with exit code ", WEXITSTATUS(status));
  }
  const char* name = sigabbrev_np(WTERMSIG(status));
  return text("was ended by signal ",
              name != nullptr ? text("SIG", name) : "?",
              " (",
              WTERMSIG(status),
              ")");
}

/// A port of the loopback interface that nobody else can take any more.
std::pair<Fd, int> listen_anywhere() {
  Fd socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (socket_fd.get() < 0 || bind(socket_fd.get(), generic, length) != 0 ||
      listen(socket_fd.get(), SOMAXCONN) != 0 ||
      getsockname(socket_fd.get(), generic, &length) != 0) {
    throw system_error("no port to listen at");
  }
  return {std::move(socket_fd), ntohs(address.sin_port)};
}

/// The signals that a parent handles, as readable events for as long as this lives.
class Signals {
 public:
  Signals() {
    sigset_t handled;
    sigemptyset(&handled);
    for (const int number : {SIGINT, SIGTERM, SIGCHLD}) {
      sigaddset(&handled, number);
    }
    sigprocmask(SIG_BLOCK, &handled, &before_);
    fd_ = Fd(signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    if (fd_.get() < 0) {
      sigprocmask(SIG_SETMASK, &before_, nullptr);
      throw system_error("no signal descriptor");
    }
  }

  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  ~Signals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

  [[nodiscard]] int fd() const { return fd_.get(); }

  [[nodiscard]] const sigset_t& before() const { return before_; }

  /// The next signal that came, or 0.
  [[nodiscard]] int next() const {
    signalfd_siginfo info{};
    return read(fd_.get(), &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo)
                                                                : 0;
  }

 private:
  sigset_t before_{};
  Fd fd_;
};

class Supervisor {
 public:
  explicit Supervisor(std::chrono::seconds stop_grace) : stop_grace_(stop_grace) {}

  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  ~Supervisor() {
    signal_all(SIGKILL);
    for (const Rank& rank : ranks_) {
      if (!rank.status) {
        waitpid(rank.pid, nullptr, 0);
      }
    }
  }

  void start(LaunchInfo info, const std::function<int(const LaunchInfo&)>& body) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw system_error("no pipe");
    }
    Fd reading(ends[0]);
    const Fd writing(ends[1]);
    std::fflush(nullptr);  // or the child writes it again
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
      throw system_error("no process");
    }
    if (pid == 0) {
      for (Rank& rank : ranks_) {
        rank.stderr_pipe.reset();
      }
      close(signals_.fd());
      reading.reset();
      if (info.rank != 0) {
        close(std::exchange(info.listen_fd, -1));
      }
      run_child({info, parent, ends[1], signals_.before()}, body);
    }
    setpgid(pid, pid);  // as the child does: whoever comes first
    fcntl(reading.get(), F_SETFL, O_NONBLOCK);
    ranks_.push_back({pid, std::move(reading), {}, {}});
  }

  int run() {
    while (std::ranges::any_of(ranks_, [](const Rank& rank) { return !rank.status; })) {
      wait_for_events();
      for (int number = signals_.next(); number != 0; number = signals_.next()) {
        on_signal(number);
      }
      reap();
      if (kill_at_ && Clock::now() >= *kill_at_) {
        late_ = asked_to_stop_;
        signal_all(SIGKILL);
        kill_at_.reset();
      }
    }
    for (Rank& rank : ranks_) {
      pass_on(rank);
    }
    if (!failed_) {
      return 0;
    }
    report();
    const int status = *ranks_[*failed_].status;
    // 128 + n says that *this* run was told to end; a rank that something else killed is a failure.
    return WIFSIGNALED(status) && !asked_to_stop_ ? 1 : exit_code(status);
  }

 private:
  void wait_for_events() {
    std::vector<pollfd> events = {{signals_.fd(), POLLIN, 0}};
    for (const Rank& rank : ranks_) {
      events.push_back({rank.stderr_pipe.get(), POLLIN, 0});  // closed ones are -1 and skipped
    }
    poll(events.data(), events.size(), 200);
    for (size_t i = 0; i < ranks_.size(); ++i) {
      if (events[i + 1].revents != 0) {
        pass_on(ranks_[i]);
      }
    }
  }

  static void pass_on(Rank& rank) {
    std::array<char, 8192> buffer{};
    while (rank.stderr_pipe.get() >= 0) {
      const ssize_t n = read(rank.stderr_pipe.get(), buffer.data(), buffer.size());
      if (n == 0) {
        rank.stderr_pipe.reset();
      }
      if (n <= 0) {
        return;
      }
      const std::string_view text(buffer.data(), static_cast<size_t>(n));
      rank.tail.add(text.data(), text.size());
      write_out(text);
    }
  }

  static void write_out(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
      if (written <= 0) {
        return;  // our own stderr is gone; the ranks need not know
      }
      text.remove_prefix(static_cast<size_t>(written));
    }
  }

  void on_signal(int number) {
    if (number == SIGCHLD) {
      return;
    }
    const bool again = std::exchange(asked_to_stop_, true) || failed_.has_value();
    signal_all(again ? SIGKILL : number);
    if (!again) {
      kill_at_ = Clock::now() + stop_grace_;
    }
  }

  void reap() {
    std::optional<size_t> worst;
    for (size_t i = 0; i < ranks_.size(); ++i) {
      int status = 0;
      if (ranks_[i].status || waitpid(ranks_[i].pid, &status, WNOHANG) != ranks_[i].pid) {
        continue;
      }
      ranks_[i].status = status;
      // A rank that was killed is the cause of those that end by themselves at the same time.
      if (failed(status) &&
          (!worst || (WIFSIGNALED(status) && !WIFSIGNALED(*ranks_[*worst].status)))) {
        worst = i;
      }
    }
    if (worst && !failed_) {
      failed_ = worst;
      failed_after_ = Clock::now() - start_;
      if (!asked_to_stop_) {
        if (!stopped(*ranks_[*worst].status)) {
          signal_all(SIGTERM);
        }
        kill_at_ = Clock::now() + kGrace;
      }
    }
  }

  // To their process groups: what a rank has started ends with it.
  void signal_all(int number) const {
    for (const Rank& rank : ranks_) {
      if (!rank.status) {
        kill(-rank.pid, number);
      }
    }
  }

  void report() {
    Rank& rank = ranks_[*failed_];
    const double seconds = std::chrono::duration<double>(failed_after_).count();
    std::string message = text("rank ",
                               *failed_,
                               " of ",
                               ranks_.size(),
                               " (process ",
                               rank.pid,
                               ") ",
                               describe(*rank.status),
                               " after ",
                               seconds,
                               " s",
                               asked_to_stop_ ? ", as asked\n" : "; the other ranks were ended\n");
    const std::string lines = asked_to_stop_ ? "" : rank.tail.quoted();
    message += lines.empty() ? "" : "its last lines on stderr:\n" + lines;
    if (late_) {
      message += "the ranks had not ended " + std::to_string(stop_grace_.count()) +
                 " s after the signal and were killed; env_cfg.stop_timeout_s sets how long\n";
    }
    std::fputs(message.c_str(), stderr);
  }

  Signals signals_;
  std::vector<Rank> ranks_;
  Clock::time_point start_ = Clock::now();
  Clock::duration failed_after_{};
  std::optional<size_t> failed_;
  std::optional<Clock::time_point> kill_at_;
  std::chrono::seconds stop_grace_;
  bool asked_to_stop_ = false;
  bool late_ = false;  // the grace was over
};

}  // namespace

int launch_local(int nproc,
                 const std::function<int(const LaunchInfo&)>& body,
                 std::chrono::seconds stop_grace) {
  auto [listening, port] = listen_anywhere();
  Supervisor supervisor(stop_grace);
  for (int rank = 0; rank < nproc; ++rank) {
    LaunchInfo info;
    info.rank = info.local_rank = rank;
    info.world_size = info.local_world_size = nproc;
    info.master_port = port;
    info.launcher = "strata";
    info.listen_fd = listening.get();
    supervisor.start(info, body);
  }
  listening.reset();
  return supervisor.run();
}

}  // namespace strata::comm
