// Tests of index.json: what is written is read, and nothing else.
#include "checkpoint/index.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "strata/abi/core.h"
#include "strata/cpp/error.hpp"

#include "checkpoint/sealed.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json good() {
  return {{"format", "strata-checkpoint/1"},
          {"world_size", 2},
          {"files", {{"a.safetensors", {{"bytes", 100}, {"header", "0123456789abcdef"}}}}},
          {"tensors",
           {{"w",
             {{"dtype", "F32"},
              {"shape", {2, 3}},
              {"kind", "param"},
              {"chunks",
               {{"a.safetensors", 0, 4, "0000000000000000"},
                {"a.safetensors", 4, 2, "0000000000000000"}}}}}}}};
}

std::string refusal(const json& index) {
  return error_of([&] { decode_index(index.dump(), "index.json"); }).message();
}

TEST(Index, IsReadAsItWasWritten) {
  const Index index = decode_index(good().dump(), "index.json");
  EXPECT_EQ(json::parse(encode_index(index)), good());
}

TEST(Index, RefusesFilesOutsideOfItsFolder) {
  for (const char* name : {"../a.safetensors", "/etc/passwd", "..", ".", "", "x/y", ".hidden"}) {
    json index = good();
    index["files"][name] = index["files"]["a.safetensors"];
    EXPECT_THAT(refusal(index), HasSubstr("which is not one in its folder")) << name;
  }
}

TEST(Index, RefusesChunksThatDoNotMakeUpTheirTensor) {
  const auto with = [](const json& chunks) {
    json index = good();
    index["tensors"]["w"]["chunks"] = chunks;
    return index;
  };
  const char* const hash = "0000000000000000";
  const char* const file = "a.safetensors";
  EXPECT_THAT(refusal(with(json::array())), HasSubstr("w ends at element 0 of 6"));
  EXPECT_THAT(refusal(with({{file, 0, 4, hash}})), HasSubstr("w ends at element 4 of 6"));
  EXPECT_THAT(refusal(with({{file, 0, 4, hash}, {file, 5, 1, hash}})), HasSubstr("do not follow"));
  EXPECT_THAT(refusal(with({{file, 0, 4, hash}, {file, 3, 3, hash}})), HasSubstr("do not follow"));
  EXPECT_THAT(refusal(with({{file, 0, 7, hash}})), HasSubstr("do not follow"));
  EXPECT_THAT(refusal(with({{file, 0, INT64_MAX, hash}})), HasSubstr("do not follow"));
  EXPECT_THAT(refusal(with({{file, 0, -1, hash}})), HasSubstr("-1"));
  EXPECT_THAT(refusal(with({{"b.safetensors", 0, 6, hash}})), HasSubstr("does not list"));
  EXPECT_THAT(refusal(with({{file, 0, 6, "no hash"}})), HasSubstr("no checksum"));
}

TEST(Index, RefusesAbsurdShapesKindsAndTypes) {
  json index = good();
  index["tensors"]["w"]["shape"] = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_THAT(refusal(index), HasSubstr("more elements than memory has addresses"));
  index = good();
  index["tensors"]["w"]["kind"] = "pickle";
  EXPECT_THAT(refusal(index), HasSubstr("kind \"pickle\""));
  index = good();
  index["tensors"]["w"]["dtype"] = "F33";
  EXPECT_THAT(refusal(index), HasSubstr("dtype of w"));
  index = good();
  index["format"] = "strata-checkpoint/9";
  EXPECT_THAT(refusal(index), HasSubstr("strata-checkpoint/9"));
  index.erase("format");
  EXPECT_THAT(refusal(index), HasSubstr("lacks something"));
}

TEST(Seal, TellsACutOrEditedText) {
  const std::string text = seal(R"({"a": 1})");
  EXPECT_EQ(json::parse(text).at("a"), 1);
  EXPECT_NO_THROW(check_seal(text, "state.json"));
  for (size_t at = 0; at < text.size(); ++at) {
    EXPECT_NE(error_of([&] { check_seal(text.substr(0, at), "state.json"); }).code(), STRATA_OK)
        << at;
    std::string edited = text;
    edited[at] = static_cast<char>(edited[at] ^ 1);
    EXPECT_THAT(error_of([&] { check_seal(edited, "state.json"); }).message(),
                HasSubstr("state.json"))
        << at;
  }
}

}  // namespace
}  // namespace strata::checkpoint
