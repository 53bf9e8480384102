// Configuration files in a folder of their own, and the message of a refusal.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

#include "config/load.hpp"

namespace strata::config {

/// A fixture with an empty folder that goes away with the test.
class ConfigFiles : public testing::Test {
 public:
  ConfigFiles(const ConfigFiles&) = delete;
  ConfigFiles& operator=(const ConfigFiles&) = delete;

  ~ConfigFiles() override { std::filesystem::remove_all(folder_); }

 protected:
  ConfigFiles() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              text("strata-", test->test_suite_name(), "-", test->name(), "-", getpid());
    std::filesystem::create_directories(folder_);
  }

  /// The path of a file in the folder.
  [[nodiscard]] std::string at(const std::string& name) const { return (folder_ / name).string(); }

  void write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }

  [[nodiscard]] Value load_file(const std::string& name,
                                const std::vector<std::string>& overrides = {}) const {
    return load(folder_ / name, overrides);
  }

  /// Loads one file of this content.
  [[nodiscard]] Value load_text(std::string_view content,
                                const std::vector<std::string>& overrides = {}) const {
    write("c.toml", content);
    return load_file("c.toml", overrides);
  }

  /// The message of the refusal, with the folder's name taken out of it.
  template <class F>
  [[nodiscard]] std::string refusal(F&& f) const {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), STRATA_E_CONFIG);
      return without_folder(e.what());
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
  }

  [[nodiscard]] std::string without_folder(std::string message) const {
    const std::string prefix = folder_.string() + "/";
    for (auto pos = message.find(prefix); pos != std::string::npos; pos = message.find(prefix)) {
      message.erase(pos, prefix.size());
    }
    return message;
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace strata::config
