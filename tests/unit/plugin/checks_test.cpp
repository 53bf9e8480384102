// Tests of the conditions for loading: version, tier, build tag, architecture, kinds, owners,
// permissions.
#include "plugin/checks.hpp"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "files.hpp"

namespace strata::plugin {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint16_t kX86 = 62;
constexpr uint16_t kArm = 183;

const Host kHost{0, 3, "torch 2.15.0|cu13", kX86};

Manifest good() {
  Manifest out;
  out.abi_minor = 3;
  out.tier = "c";
  out.types = {{"X", "hook"}};
  return out;
}

std::string refusal(const Manifest& manifest, uint16_t machine = kX86) {
  return message_of([&] { check_fits(manifest, machine, kHost); });
}

std::string refusal(const std::filesystem::path& file, Trust trust = Trust::kNormal) {
  return message_of([&] { check_file(file, trust); });
}

TEST(PluginFits, WhenVersionTierAndMachineAreTheHosts) {
  EXPECT_THAT(refusal(good()), IsEmpty());
}

TEST(PluginFits, NotWithAnotherMinorVersionBeforeOne) {
  Manifest manifest = good();
  manifest.abi_minor = 4;
  manifest.sdk = "0.2.0";

  EXPECT_THAT(refusal(manifest),
              AllOf(HasSubstr("host has 0.3"),
                    HasSubstr("built for 0.4 (SDK 0.2.0)"),
                    HasSubstr("build it again")));
}

TEST(PluginFits, NotWithAnotherMajorVersion) {
  Manifest manifest = good();
  manifest.abi_major = 1;

  EXPECT_THAT(refusal(manifest), HasSubstr("built for 1.3"));
}

TEST(PluginFits, NotWithATierThatTheHostDoesNotKnow) {
  Manifest manifest = good();
  manifest.tier = "torch-stable";

  EXPECT_THAT(refusal(manifest),
              AllOf(HasSubstr("c and torch-native"), HasSubstr("\"torch-stable\"")));
}

TEST(PluginFits, NotWithAnotherLibTorchWhenItIsTorchNative) {
  Manifest manifest = good();
  manifest.tier = "torch-native";
  manifest.torch_build_tag = "torch 2.14.0|cu13";

  EXPECT_THAT(refusal(manifest),
              AllOf(HasSubstr("\"torch 2.15.0|cu13\""), HasSubstr("\"torch 2.14.0|cu13\"")));
}

TEST(PluginFits, WithTheSameLibTorchWhenItIsTorchNative) {
  Manifest manifest = good();
  manifest.tier = "torch-native";
  manifest.torch_build_tag = kHost.torch_build_tag;

  EXPECT_THAT(refusal(manifest), IsEmpty());
}

TEST(PluginFits, NotOnAnotherMachine) {
  EXPECT_THAT(refusal(good(), kArm), AllOf(HasSubstr("host is x86-64"), HasSubstr("for AArch64")));
}

TEST(PluginFits, NotWithAnUnknownKind) {
  Manifest manifest = good();
  manifest.types = {{"X", "hoook"}};

  EXPECT_THAT(refusal(manifest), AllOf(HasSubstr("\"hoook\""), HasSubstr("did you mean \"hook\"")));
}

TEST(ThisHost, HasTheTagOfItsLibTorch) {
  EXPECT_THAT(this_host().torch_build_tag, HasSubstr("torch " HOST_TORCH_VERSION));
}

TEST(PluginFile, IsAcceptedWhenOnlyItsOwnerMayWriteIt) {
  const Folder folder;

  EXPECT_THAT(refusal(folder.add("plugin_raw"), Trust::kStrict), IsEmpty());
}

TEST(PluginFile, IsRefusedWhenEveryoneMayWriteIt) {
  const Folder folder;
  const auto file = folder.add("plugin_raw");
  ::chmod(file.c_str(), 0666);

  EXPECT_THAT(refusal(file),
              AllOf(HasSubstr("the file must not be writable by everyone"),
                    HasSubstr("chmod o-w " + file.string())));
}

TEST(PluginFile, IsRefusedWhenEveryoneMayWriteItsFolder) {
  const Folder folder;
  const auto file = folder.add("plugin_raw");
  ::chmod(folder.path().c_str(), 0777);

  EXPECT_THAT(refusal(file), HasSubstr("its folder must not be writable by everyone"));
}

TEST(PluginFile, IsAcceptedInAStickyFolder) {
  const Folder folder;
  const auto file = folder.add("plugin_raw");
  ::chmod(folder.path().c_str(), 01777);

  EXPECT_THAT(refusal(file), IsEmpty());
}

TEST(PluginFile, IsRefusedWhenItBelongsToAStranger) {
  const Folder folder;
  const auto file = folder.add("plugin_raw");
  if (::chown(file.c_str(), 12345, ::getegid()) != 0) {
    GTEST_SKIP() << "only root may give files away";
  }

  EXPECT_THAT(refusal(file),
              AllOf(HasSubstr("owner"), HasSubstr("user 12345"), HasSubstr("chown")));
}

TEST(PluginFile, IsRefusedWhenAForeignGroupMayWriteItUnderStrictTrustOnly) {
  const Folder folder;
  const auto file = folder.add("plugin_raw");
  if (::chown(file.c_str(), ::geteuid(), 12345) != 0) {
    GTEST_SKIP() << "only root may give files to a group it is not in";
  }
  ::chmod(file.c_str(), 0664);

  EXPECT_THAT(refusal(file, Trust::kNormal), IsEmpty());
  EXPECT_THAT(refusal(file, Trust::kStrict),
              AllOf(HasSubstr("group 12345"), HasSubstr("chmod g-w")));
}

TEST(PluginFile, IsRefusedWhenItIsAFolder) {
  const Folder folder;

  EXPECT_THAT(refusal(folder.path()), HasSubstr("regular file"));
}

}  // namespace
}  // namespace strata::plugin
