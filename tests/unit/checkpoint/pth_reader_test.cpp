// Tests of reading what torch.save wrote (tests/golden/pth), and of files that lie.
#include <map>
#include <numeric>

#include <gmock/gmock.h>

#include "strata/abi/core.h"

#include "checkpoint/file_out.hpp"
#include "checkpoint/pth.hpp"
#include "checkpoint/zip_writer.hpp"
#include "temp_dir.hpp"

namespace strata::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const std::filesystem::path kPthFolder =
    std::filesystem::path(STRATA_SOURCE_DIR) / "tests/golden/pth";

using Shape = std::vector<int64_t>;

class PthReaderTest : public TempDirTest {
 protected:
  static std::map<std::string, Shape> shapes(const TensorReader& file) {
    std::map<std::string, Shape> out;
    for (const StoredTensor& t : file.tensors()) {
      out[t.name] = t.shape;
    }
    return out;
  }

  static size_t index_of(const TensorReader& file, const std::string& name) {
    for (size_t i = 0; i < file.tensors().size(); ++i) {
      if (file.tensors()[i].name == name) {
        return i;
      }
    }
    ADD_FAILURE() << "no " << name;
    return 0;
  }

  /// All elements of a tensor, of which T must be the type.
  template <class T>
  static std::vector<T> values(const TensorReader& file, const std::string& name) {
    const size_t i = index_of(file, name);
    std::vector<T> out(static_cast<size_t>(file.tensors()[i].elements()));
    file.read(i, 0, static_cast<int64_t>(out.size()), out.data());
    return out;
  }

  /// What the reader says about a file; an Error it must be.
  static std::string refusal(const std::filesystem::path& path) {
    const Error e = error_of([&] { open_tensors(path); });
    EXPECT_EQ(e.code(), STRATA_E_FAILED) << e.message();
    EXPECT_THAT(e.message(), HasSubstr(path.string()));
    return e.message();
  }

  /// An archive of these files, in the folder "a/".
  [[nodiscard]] std::filesystem::path write_archive(
      const std::map<std::string, std::string>& files) const {
    std::vector<ZipMember> members;
    members.reserve(files.size());
    for (const auto& [name, bytes] : files) {
      members.push_back({"a/" + name, bytes.size()});
    }
    FileOut out(dir_ / "made.pth", zip_bytes(members));
    ZipOut zip([&](std::span<const std::byte> piece) { out.write(piece); });
    for (const ZipMember& member : members) {
      zip.begin(member);
      zip.write(std::as_bytes(std::span(files.at(member.name.substr(2)))));
      zip.end();
    }
    zip.finish();
    out.commit();
    return dir_ / "made.pth";
  }

  [[nodiscard]] std::string refusal_of_pickle(const std::string& pickle) const {
    return refusal(
        write_archive({{"data.pkl", "\x80\x02" + pickle}, {"data/0", std::string(24, 'x')}}));
  }

  /// What is said of a state dict of one tensor "w"; all numbers below 256. Its storage has 24 bytes.
  [[nodiscard]] std::string refusal_of_tensor(const std::vector<int>& size,
                                              const std::vector<int>& stride,
                                              int offset = 0,
                                              int storage_length = 6,
                                              const std::string& storage = "ctorch\nFloatStorage\n",
                                              const std::string& key = "0") const {
    const auto number = [](int n) { return std::string("K") + static_cast<char>(n); };
    const auto text = [](const std::string& t) {
      return std::string("U") + static_cast<char>(t.size()) + t;
    };
    const auto tuple = [&](const std::vector<int>& of) {
      std::string out = "(";
      for (const int n : of) {
        out += number(n);
      }
      return out + "t";
    };
    return refusal_of_pickle("}" + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" +
                             text("storage") + storage + text(key) + text("cpu") +
                             number(storage_length) + "tQ" + number(offset) + tuple(size) +
                             tuple(stride) + "\x89NtRs.");
  }
};

class OfEveryProtocol : public PthReaderTest, public testing::WithParamInterface<const char*> {};

TEST_P(OfEveryProtocol, IsReadWithEveryTypeAndStride) {
  const auto file = open_tensors(kPthFolder / GetParam());

  EXPECT_EQ(file->taken(), "");
  EXPECT_EQ(file->tensors().size(), 18U);
  EXPECT_EQ(file->tensors()[0].name, "f32");
  EXPECT_THAT(values<float>(*file, "f32"), ElementsAre(0.5, -1, 2, 3, 4, 5));
  EXPECT_THAT(values<double>(*file, "f64"), ElementsAre(0.1, -0.2));
  EXPECT_THAT(values<uint16_t>(*file, "f16"), ElementsAre(0x3c00, 0xc000));
  EXPECT_THAT(values<uint16_t>(*file, "bf16"), ElementsAre(0x3f80, 0xc000, 0x4040));
  EXPECT_THAT(values<int64_t>(*file, "i64"), ElementsAre(-7));
  EXPECT_THAT(values<int32_t>(*file, "i32"), ElementsAre(1 << 20, -1));
  EXPECT_THAT(values<int8_t>(*file, "i8"), ElementsAre(-3, 4));
  EXPECT_THAT(values<uint8_t>(*file, "u8"), ElementsAre(250, 1));
  EXPECT_THAT(values<uint8_t>(*file, "bool"), ElementsAre(1, 0, 1));
  EXPECT_EQ(file->tensors()[index_of(*file, "bool")].dtype, STRATA_BOOL);
  EXPECT_THAT(values<float>(*file, "row"), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(values<float>(*file, "turned"), ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  EXPECT_THAT(values<float>(*file, "every_second"), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(values<float>(*file, "repeated"), ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_THAT(values<float>(*file, "parameter"), ElementsAre(8, 9));
  EXPECT_THAT(values<float>(*file, "with_attributes"), ElementsAre(6));
  std::vector<float> counted(24);
  std::iota(counted.begin(), counted.end(), 0.0F);
  EXPECT_EQ(values<float>(*file, "channels_last"), counted);
  const auto all = shapes(*file);
  EXPECT_EQ(all.at("i64"), Shape());
  EXPECT_EQ(all.at("empty"), Shape({0, 4}));
  EXPECT_EQ(all.at("turned"), Shape({4, 3}));
  EXPECT_EQ(all.at("channels_last"), Shape({1, 2, 3, 4}));
}

INSTANTIATE_TEST_SUITE_P(
    File,
    OfEveryProtocol,
    testing::Values("plain.pth", "protocol4.pth", "protocol5.pth", "unaligned.pth"),
    [](const auto& of) {
      return std::string(of.param).substr(0, std::string(of.param).find('.'));
    });

TEST_F(PthReaderTest, ReadsElementsOfAStridedTensorAcrossItsRows) {
  const auto file = open_tensors(kPthFolder / "plain.pth");
  float out[5];

  file->read(index_of(*file, "turned"), 2, 5, out);
  EXPECT_THAT(out, ElementsAre(8, 1, 5, 9, 2));
  file->read(index_of(*file, "channels_last"), 3, 5, out);
  EXPECT_THAT(out, ElementsAre(3, 4, 5, 6, 7));
  file->read(index_of(*file, "repeated"), 1, 4, out);
  EXPECT_THAT(std::vector<float>(out, out + 4), ElementsAre(1, 0, 1, 0));
}

TEST_F(PthReaderTest, TakesTheWeightsOfAnMMEngineCheckpoint) {
  const auto file = open_tensors(kPthFolder / "mmengine.pth");

  EXPECT_EQ(file->taken(), "its key \"state_dict\"");
  EXPECT_THAT(shapes(*file),
              ElementsAre(Pair("module.steps", Shape()), Pair("module.weight", Shape({2}))));
  EXPECT_THAT(values<float>(*file, "module.weight"), ElementsAre(1, 2));
}

// tests/golden/imported/generate.py: all ranks' shards of FSDP1, with the optimizer's states as MMEngine saves them, and of
// FSDP2; beside them what torch.load reads.
TEST_F(PthReaderTest, ReadsWhatFsdpGathersIntoOneFile) {
  const std::filesystem::path folder =
      std::filesystem::path(STRATA_SOURCE_DIR) / "tests/golden/imported";
  for (const std::string name : {"fsdp1_full", "fsdp2_full"}) {
    const auto file = open_tensors(folder / (name + ".pth"));
    const auto expected = open_tensors(folder / (name + ".safetensors"));

    EXPECT_EQ(shapes(*file), shapes(*expected)) << name;
    for (const StoredTensor& t : expected->tensors()) {
      EXPECT_EQ(file->tensors()[index_of(*file, t.name)].dtype, t.dtype) << t.name;
      if (t.dtype == STRATA_F32) {
        EXPECT_EQ(values<float>(*file, t.name), values<float>(*expected, t.name)) << t.name;
      }
    }
    EXPECT_THAT(values<int64_t>(*file, "count"), ElementsAre(11));
    EXPECT_EQ(values<float>(*file, "head.weight"), values<float>(*file, "embedding.weight"));
  }
}

TEST_F(PthReaderTest, TakesTheWeightsOfADeepSpeedFileEvenBesideATensor) {
  const auto file = open_tensors(kPthFolder / "deepspeed.pth");

  EXPECT_EQ(file->taken(), "its key \"module\"");
  EXPECT_THAT(shapes(*file), ElementsAre(Pair("weight", Shape({2}))));
}

TEST_F(PthReaderTest, KnowsAFileOfAnotherNameByItsFirstBytes) {
  std::filesystem::copy_file(kPthFolder / "deepspeed.pth", dir_ / "weights");

  EXPECT_EQ(open_tensors(dir_ / "weights")->taken(), "its key \"module\"");
}

TEST_F(PthReaderTest, ReadsFilesThatAnIndexNames) {
  std::filesystem::copy_file(kPthFolder / "deepspeed.pth", dir_ / "pytorch_model-1.bin");

  const auto file = open_tensors(
      write("pytorch_model.bin.index.json", R"({"weight_map":{"weight":"pytorch_model-1.bin"}})"));

  EXPECT_THAT(values<float>(*file, "weight"), ElementsAre(1, 2));
}

struct Unfit {
  const char* file;
  const char* says;
};

class UnfitFile : public PthReaderTest, public testing::WithParamInterface<Unfit> {};

TEST_P(UnfitFile, IsRefusedWithItsCause) {
  EXPECT_THAT(refusal(kPthFolder / (std::string(GetParam().file) + ".pth")),
              HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Of,
    UnfitFile,
    testing::Values(
        Unfit{"legacy",
              "format of torch before 1.6; write it anew: python3 -c 'import torch; "
              "torch.save(torch.load("},
        Unfit{"big_endian",
              "byte order \"big\"; load and save it with torch on a little-endian machine"},
        Unfit{"compressed", "is compressed or encrypted"},
        Unfit{"int16", "\"half\": it is of torch.ShortStorage, a type that is not read here"},
        Unfit{"negative_view", "\"weight\": it is a conjugate or negative view"},
        Unfit{"whole_model",
              "an object of torch.nn.modules.container.Sequential; save the model's state_dict()"},
        Unfit{"tensor", "it holds no dict"},
        Unfit{"no_state_dict", "its keys are epoch, optimizer"},
        Unfit{"torchscript", "is a TorchScript program"}),
    [](const auto& of) { return std::string(of.param.file); });

TEST_F(PthReaderTest, RefusesWhatIsNoArchive) {
  EXPECT_THAT(refusal(write("a.pth", "")), HasSubstr("no zip archive"));
  EXPECT_THAT(refusal(write("a.pth", "\x80\x04}.")),
              HasSubstr("a pickle that torch.save has not written"));
  EXPECT_THAT(refusal(write("a.pth", std::string(257, '\0') + "ustar" + std::string(250, '\0'))),
              AllOf(HasSubstr("tar format of torch before 0.2"),
                    HasSubstr("weights_only=False"),
                    HasSubstr("trust")));
  EXPECT_THAT(refusal(write_archive({{"other", "x"}})), HasSubstr("no data.pkl"));
}

TEST_F(PthReaderTest, NamesAFileThatIsNotThere) {
  EXPECT_EQ(error_of([&] { open_tensors(dir_ / "none.pth"); }).code(), STRATA_E_IO);
}

// Wherever it is cut, and whichever byte is another: an error or tensors, and nothing outside the file is read.
TEST_F(PthReaderTest, RefusesEveryTruncation) {
  const std::string whole = read(kPthFolder / "mmengine.pth");
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<std::byte> cut(reinterpret_cast<const std::byte*>(whole.data()),
                                     reinterpret_cast<const std::byte*>(whole.data()) + length);
    EXPECT_EQ(error_of([&] { read_pth(cut, "cut.pth"); }).code(), STRATA_E_FAILED) << length;
  }
}

TEST_F(PthReaderTest, SurvivesEveryFlippedByte) {
  const std::string whole = read(kPthFolder / "plain.pth");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(~changed[at]);
    const auto bytes = std::as_bytes(std::span(changed));
    const Error e = error_of([&] {
      for (const PthTensor& t : read_pth(bytes, "changed.pth").tensors) {
        std::vector<std::byte> out(t.info.elements() < 1000 ? t.info.elements() * 8 : 0);
        read_elements(t, 0, static_cast<int64_t>(out.size()) / 8, out.data());
      }
    });
    EXPECT_TRUE(e.code() == STRATA_OK || e.code() == STRATA_E_FAILED) << at << e.message();
  }
}

TEST_F(PthReaderTest, RefusesSizesThatContradictTheStorage) {
  EXPECT_THAT(refusal_of_tensor({7}, {1}),
              HasSubstr("\"w\": its elements reach past the 6 of its storage"));
  EXPECT_THAT(refusal_of_tensor({2, 3}, {4, 1}), HasSubstr("reach past the 6"));
  EXPECT_THAT(refusal_of_tensor({6}, {1}, 1), HasSubstr("reach past the 6"));
  EXPECT_THAT(refusal_of_tensor({6}, {1}, 0, 7),
              HasSubstr("data/0 has 24 bytes, which is not 7 elements"));
  EXPECT_THAT(refusal_of_tensor({2, 3}, {1}), HasSubstr("2 sizes and 1 strides"));
  EXPECT_THAT(refusal_of_tensor({6}, {1}, 0, 6, "ctorch\nFloatStorage\n", "9"),
              HasSubstr("data/9 is not in the file"));
  EXPECT_THAT(refusal_of_tensor({6}, {1}, 0, 6, "cos\nsystem\n"),
              HasSubstr("it is of os.system, a type"));
  EXPECT_THAT(refusal_of_tensor(std::vector<int>(70, 1), std::vector<int>(70, 0)),
              HasSubstr("at most 64 numbers"));
  EXPECT_THAT(refusal_of_tensor(std::vector<int>(10, 255), std::vector<int>(10, 0)),
              HasSubstr("more elements than memory has addresses"));
}

TEST_F(PthReaderTest, RefusesPicklesThatAreNone) {
  EXPECT_THAT(refusal_of_pickle(""), HasSubstr("it ends where 1 more bytes are needed"));
  EXPECT_THAT(refusal_of_pickle("."), HasSubstr("takes a value where none is"));
  EXPECT_THAT(refusal_of_pickle("}U\x05w"), HasSubstr("5 more bytes are needed"));
  EXPECT_THAT(refusal_of_pickle("t."), HasSubstr("a mark where none is"));
  EXPECT_THAT(refusal_of_pickle("}(K\x01u."), HasSubstr("no container"));
  EXPECT_THAT(refusal_of_pickle("h\x07."), HasSubstr("value 7 of its memo"));
  EXPECT_THAT(refusal_of_pickle("\x80\x06}."), HasSubstr("protocol 6"));
  EXPECT_THAT(refusal_of_pickle("I1\n."), HasSubstr("opcode 73"));
  EXPECT_THAT(refusal_of_pickle("cos\nsystem"), HasSubstr("in the middle of a line"));
  EXPECT_THAT(refusal_of_pickle(std::string(100000, '(') + "."), HasSubstr("nested deeper"));
}

// A call is a description: what would be run by Python is an object of no interest here.
TEST_F(PthReaderTest, RunsNothing) {
  EXPECT_THAT(refusal_of_pickle("cposix\nsystem\nU\x0ctouch /tmp/x\x85R."),
              HasSubstr("an object of posix.system"));
}

TEST_F(PthReaderTest, RefusesAPickleThatWouldFillTheMemory) {
  std::string doubling = "(NNNNNNNN";
  for (int i = 0; i < 40; ++i) {
    doubling += "tq\x01";
    doubling += "0(h\x01h\x01";
  }
  EXPECT_EQ(error_of([&] {
              open_tensors(write_archive({{"data.pkl", "\x80\x02" + doubling + "t."}}));
            }).code(),
            STRATA_E_FAILED);  // nested tuples are shared, not copied
  const std::string values = std::string(9 << 20, 'N') + ".";
  EXPECT_THAT(refusal_of_pickle(values), HasSubstr("more than 8388608 values"));
}

}  // namespace
}  // namespace strata::checkpoint
