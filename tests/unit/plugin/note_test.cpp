// Tests of reading the ELF note: whole, absent, cut off, damaged.
#include "plugin/note.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/cpp/error.hpp"

#include "files.hpp"
#include "plugin/manifest.hpp"

namespace strata::plugin {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ElfNote, GivesTheManifestOfAPlugin) {
  const Folder folder;

  const NoteFile note = read_note(folder.add("plugin_raw"));

  EXPECT_TRUE(note.has_note);
  EXPECT_THAT(note.text, HasSubstr("id = \"plugin_raw\""));
  EXPECT_NE(note.machine, 0);
}

TEST(ElfNote, TellsBuildsApart) {
  const Folder folder;
  const NoteFile one = read_note(folder.add("plugin_raw"));
  const NoteFile copy = read_note(folder.add("plugin_raw", "copy.so"));
  const NoteFile other = read_note(folder.add("plugin_init_fails"));

  EXPECT_FALSE(one.content.empty());
  EXPECT_EQ(one.content, copy.content);
  EXPECT_NE(one.content, other.content);
}

TEST(ElfNote, TakesAChecksumWhereTheLinkerLeftNoBuildId) {
  const Folder folder;
  std::string bytes = read_bytes(folder.add("plugin_raw"));
  // The build id's owner: its size, the size of a SHA-1 sum, type 3, "GNU".
  const size_t at = bytes.find(std::string("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", 16));
  if (at != std::string::npos) {
    bytes[at + 12] = 'X';
  }
  write_bytes(folder.path() / "plain.so", bytes);

  EXPECT_THAT(read_note(folder.path() / "plain.so").content, StartsWith("fnv1a:"));
}

TEST(ElfNote, IsAbsentFromALibraryThatIsNoPlugin) {
  const Folder folder;

  const NoteFile note = read_note(folder.add("plugin_no_note"));

  EXPECT_FALSE(note.has_note);
  EXPECT_EQ(note.why_not, "an ELF file without a note of Strata");
}

TEST(ElfNote, IsAbsentFromATextFileAnEmptyFileAndAFolder) {
  const Folder folder;
  write_bytes(folder.path() / "text.so", "GROUP ( libm.so.6 )");
  write_bytes(folder.path() / "empty.so", "");
  std::filesystem::create_directory(folder.path() / "folder.so");

  for (const char* name : {"text.so", "empty.so", "folder.so"}) {
    const NoteFile note = read_note(folder.path() / name);
    EXPECT_FALSE(note.has_note) << name;
    EXPECT_EQ(note.why_not, "not an ELF file") << name;
  }
}

TEST(ElfNote, IsAbsentFrom32BitLibraries) {
  const Folder folder;
  write_bytes(folder.path() / "old.so",
              std::string("\x7f"
                          "ELF\x01\x01\x01",
                          7) +
                  std::string(60, '\0'));

  EXPECT_EQ(read_note(folder.path() / "old.so").why_not, "not a 64-bit little-endian ELF file");
}

TEST(ElfNote, ReportsAFileThatCannotBeOpened) {
  EXPECT_THAT(message_of([] { read_note("/nowhere/x.so"); }), HasSubstr("No such file"));
}

TEST(ElfNote, ReportsAFileThatIsCutOff) {
  const Folder folder;
  const std::string whole = read_bytes(folder.add("plugin_raw"));
  write_bytes(folder.path() / "short.so", whole.substr(0, 100));

  EXPECT_THAT(message_of([&] { read_note(folder.path() / "short.so"); }),
              HasSubstr("the file is cut off"));
}

TEST(ElfNote, ReportsANoteLongerThanItsSegment) {
  const Folder folder;
  std::string bytes = read_bytes(folder.add("plugin_raw"));
  const size_t owner = bytes.find(std::string("Strata\0", 7));
  ASSERT_NE(owner, std::string::npos);
  bytes.replace(owner - 8, 4, "\xf0\xff\xff\xff");  // the size of the text
  write_bytes(folder.path() / "long.so", bytes);

  EXPECT_THAT(message_of([&] { read_note(folder.path() / "long.so"); }),
              HasSubstr("longer than the segment"));
}

TEST(ElfNote, SurvivesEveryPlaceAFileMayBeCutAt) {
  const Folder folder;
  const std::string whole = read_bytes(folder.add("plugin_raw"));
  const std::filesystem::path file = folder.path() / "cut.so";

  for (size_t size = 0; size < whole.size(); size += size < 2000 ? 7 : 499) {
    write_bytes(file, whole.substr(0, size));
    const std::string message = message_of([&] { read_note(file); });
    EXPECT_TRUE(message.empty() || message.find("cut off") != std::string::npos)
        << size << ": " << message;
  }
}

TEST(ElfNote, SurvivesRandomDamage) {
  const Folder folder;
  const std::string whole = read_bytes(folder.add("plugin_raw"));
  const std::filesystem::path file = folder.path() / "damaged.so";
  std::mt19937 random(1);  // the same damage in each run
  const size_t reach = std::min<size_t>(whole.size(), 2000);
  int unharmed = 0;

  for (int round = 0; round < 500; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 8; ++i) {
      bytes[random() % reach] = static_cast<char>(random());
    }
    write_bytes(file, bytes);
    try {
      const NoteFile note = read_note(file);
      unharmed +=
          note.has_note && parse_manifest(note.text, "damaged.so").id == "plugin_raw" ? 1 : 0;
    } catch (const Error& e) {
      EXPECT_NE(e.message(), "");
    }
  }

  EXPECT_GT(unharmed, 0);
  EXPECT_LT(unharmed, 500);
}

}  // namespace
}  // namespace strata::plugin
