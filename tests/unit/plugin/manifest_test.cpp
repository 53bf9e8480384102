// Tests of the note's text.
#include "plugin/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.hpp"

namespace strata::plugin {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kWhole = R"(
tier = "torch-native"
[plugin]
id = "acme-zero"
version = "1.2.3"
vendor = "acme"
license = "MIT"
doc = "ZeRO for trains"
[abi]
major = 0
minor = 1
sdk = "0.1.0"
[[types]]
name = "acme.Zero3"
kind = "strategy"
[[types]]
name = "acme.Timer"
kind = "hook"
[torch]
build_tag = "torch 2.15.0|cpu"
)";

std::string without(std::string text, const std::string& line) {
  text.erase(text.find(line), line.size());
  return text;
}

TEST(Manifest, HasEveryFieldOfTheNote) {
  const Manifest manifest = parse_manifest(kWhole, "acme.so");

  EXPECT_EQ(manifest.id, "acme-zero");
  EXPECT_EQ(manifest.version, "1.2.3");
  EXPECT_EQ(manifest.vendor, "acme");
  EXPECT_EQ(manifest.license, "MIT");
  EXPECT_EQ(manifest.doc, "ZeRO for trains");
  EXPECT_EQ(manifest.abi_major, 0);
  EXPECT_EQ(manifest.abi_minor, 1);
  EXPECT_EQ(manifest.sdk, "0.1.0");
  EXPECT_EQ(manifest.tier, "torch-native");
  EXPECT_EQ(manifest.torch_build_tag, "torch 2.15.0|cpu");
  EXPECT_EQ(manifest.types,
            (std::vector<TypeName>{{"acme.Timer", "hook"}, {"acme.Zero3", "strategy"}}));
}

TEST(Manifest, DoesWithoutOptionalFields) {
  const Manifest manifest =
      parse_manifest(without(without(kWhole, "vendor = \"acme\"\n"), "sdk = \"0.1.0\"\n"), "a.so");

  EXPECT_EQ(manifest.vendor, "");
  EXPECT_EQ(manifest.sdk, "");
}

TEST(Manifest, NamesTheFileAndTheKeyThatIsMissing) {
  const std::string message =
      message_of([] { parse_manifest(without(kWhole, "minor = 1\n"), "acme.so"); });

  EXPECT_THAT(message,
              AllOf(HasSubstr("its note is damaged"),
                    HasSubstr("acme.so"),
                    HasSubstr("\"minor\" is missing")));
}

TEST(Manifest, RefusesTextThatIsNoToml) {
  EXPECT_THAT(message_of([] { parse_manifest("tier = = c", "acme.so"); }),
              HasSubstr("note of acme.so:1:"));
}

TEST(Manifest, RefusesATypeListedTwice) {
  const std::string twice =
      std::string(kWhole) + "[[types]]\nname = \"acme.Timer\"\nkind = \"metric\"\n";

  EXPECT_THAT(message_of([&] { parse_manifest(twice, "acme.so"); }),
              HasSubstr("acme.Timer is listed twice"));
}

TEST(Manifest, RefusesNamesThatCouldNotBeShownSafely) {
  const std::string odd = without(kWhole, "[[types]]\nname = \"acme.Timer\"\nkind = \"hook\"\n") +
                          "[[types]]\nname = \"a\\u001b[31mb\"\nkind = \"hook\"\n";

  EXPECT_THAT(message_of([&] { parse_manifest(odd, "acme.so"); }), HasSubstr("letters, digits"));
}

}  // namespace
}  // namespace strata::plugin
