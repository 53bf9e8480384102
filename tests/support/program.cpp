// fork, exec, wait. The child's output goes to memory files, which never fill up as a pipe does.
#include "program.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace strata::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPoll{5};

std::string content_of(int fd) {
  struct stat facts{};

  fstat(fd, &facts);
  std::string out(static_cast<size_t>(facts.st_size), '\0');
  const ssize_t n = pread(fd, out.data(), out.size(), 0);
  out.resize(n < 0 ? 0 : static_cast<size_t>(n));
  return out;
}

// Only what is safe between fork and exec; everything else was prepared before.
[[noreturn]] void become(const Start& start, char* const* args, int out, int err, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(127);
  }
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (!start.folder.empty() && chdir(start.folder.c_str()) != 0) {
    _exit(127);
  }
  for (const auto& [name, value] : start.env) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  if (start.before_exec) {
    start.before_exec();
  }
  execv(args[0], args);
  _exit(127);
}

}  // namespace

Program::Program(const Start& start)
    : out_(memfd_create("stdout", MFD_CLOEXEC)),
      err_(memfd_create("stderr", MFD_CLOEXEC)),
      started_(Clock::now()) {
  std::vector<char*> args;
  args.reserve(start.args.size());
  for (const std::string& arg : start.args) {
    args.push_back(const_cast<char*>(arg.c_str()));  // execv wants it so, and changes nothing
  }
  args.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = out_ < 0 || err_ < 0 ? -1 : fork();
  if (pid_ == 0) {
    become(start, args.data(), out_, err_, parent);
  }
  if (pid_ < 0) {
    throw std::runtime_error("cannot start " + start.args.front());
  }
}

Program::~Program() {
  if (!done_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(out_);
  close(err_);
}

bool Program::ended() {
  done_ = done_ || waitpid(pid_, &status_, WNOHANG) == pid_;
  return done_;
}

bool Program::says(const std::string& text, std::chrono::seconds timeout) {
  const auto there = [&] {
    return content_of(out_).find(text) != std::string::npos ||
           content_of(err_).find(text) != std::string::npos;
  };
  for (const auto end = Clock::now() + timeout; Clock::now() < end && !ended();) {
    if (there()) {
      return true;
    }
    std::this_thread::sleep_for(kPoll);
  }
  return false;
}

std::vector<pid_t> Program::children() const {
  const std::string id = std::to_string(pid_);
  std::ifstream in("/proc/" + id + "/task/" + id + "/children");
  std::vector<pid_t> out;
  for (pid_t child = 0; in >> child;) {
    out.push_back(child);
  }
  return out;
}

void Program::send(int signal) const {
  kill(pid_, signal);
}

Outcome Program::wait(std::chrono::seconds timeout) {
  const auto end = Clock::now() + timeout;
  while (!ended() && Clock::now() < end) {
    std::this_thread::sleep_for(kPoll);
  }
  Outcome outcome;
  outcome.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  if (!done_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    done_ = true;
    outcome.code = -1;
  } else {
    outcome.code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }
  outcome.out = content_of(out_);
  outcome.err = content_of(err_);
  return outcome;
}

Outcome run(const Start& start, std::chrono::seconds timeout) {
  return Program(start).wait(timeout);
}

}  // namespace strata::test
