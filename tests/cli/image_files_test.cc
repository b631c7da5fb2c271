// SPDX-License-Identifier: Apache-2.0
// Photographs, maps and masks that are damaged, missing, of another size or of an unusual kind.
#include <fmt/core.h>

#include "i2crc/image/image_file.h"
#include "i2crc/image/made_files.h"
#include "i2crc/saliency/made_onnx.h"
#include "support/scenes_world.h"

namespace fs = std::filesystem;

namespace i2crc::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kDamaged = "s/JPEGImages/scene_00003.jpg";

class ImageFilesTest : public ProgramTest {
 protected:
  void CutPhotograph() { Truncate(kDamaged, fs::file_size(dir_ / kDamaged) / 2); }
  Arguments Saliency() {
    Write("m.onnx", RedDetector({1, 3, 16, 16}));
    return {"saliency", "--model",     "m.onnx", "--images", "s/JPEGImages",
            "--list",   "s/train.txt", "--out",  "out"};
  }
  // In front of scene_00003 everything was done, behind it nothing.
  void ExpectDoneUpToDamage(const std::vector<std::string>& files) {
    EXPECT_THAT(files, Contains(HasSubstr("scene_00002")));
    EXPECT_THAT(files, Not(Contains(HasSubstr("scene_00003"))));
    for (const std::string& file : files)
      EXPECT_FALSE(ReadPhotograph(dir_ / "out" / file).empty()) << file;
  }
  // One image was left out, the others were done.
  void ExpectSkipped(const Arguments& arguments) {
    fs::remove_all(dir_ / "out");
    const ProgramResult result = Run(arguments + Arguments{"--on-error", "skip"});
    EXPECT_EQ(result.status, 1) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("i2crc: warning: left out: " + std::string(kDamaged)),
                                  HasSubstr("i2crc: warning: 1 left out\n")));
  }
};

TEST_F(ImageFilesTest, PixelsThatEndEarly) {
  CutPhotograph();
  const std::string message =
      std::string(kDamaged) + ": truncated or damaged JPEG: Premature end of JPEG file";
  for (const Arguments& command : {Predict(), Cam(), Saliency()}) {
    fs::remove_all(dir_ / "out");
    ExpectFailed(command, message);
    ExpectDoneUpToDamage(Files("out"));
    ExpectSkipped(command);
    for (const std::string& id : TrainIds()) {
      if (id == "scene_00003")
        EXPECT_THAT(Files("out"), Not(Contains(HasSubstr(id))));
      else
        EXPECT_THAT(Files("out"), Contains(HasSubstr(id)));
    }
  }
  fs::remove_all(dir_ / "out");
  for (const Arguments& command : {TrainCls(), TrainSeg()}) {
    ExpectFailed(command, message);
    EXPECT_THAT(Files("out"), Not(Contains("checkpoint.safetensors"))) << command[0];
    ExpectSkipped(command);
    EXPECT_THAT(Files("out"), Contains("checkpoint.safetensors")) << command[0];
    fs::remove_all(dir_ / "out");
  }
}

TEST_F(ImageFilesTest, ARunStopsAtDamageAndGoesOnWithoutIt) {
  Write("c.toml",
        "[run]\nout = 'out'\nimages = 's/JPEGImages'\nsaliency = 's/Saliency'\n"
        "train = 's/train.txt'\nclasses = 's/classes.txt'\n"
        "[train-cls]\narch = 'resnet18'\nwidth = 0.125\ninput-size = 64\nepochs = 1\n");
  const Arguments run = {"run", "--config", "c.toml", "--to", "cam"};
  const std::string whole = ReadBytes(dir_ / kDamaged);
  CutPhotograph();
  const std::string message = std::string(kDamaged) + ": truncated or damaged JPEG";
  ExpectFailed(run, message);
  EXPECT_THAT(ReadBytes(dir_ / "out/run.log"), HasSubstr(message));
  EXPECT_THAT(Files("out"), Not(Contains("train-cls/checkpoint.safetensors")));
  Write(kDamaged, whole);
  const ProgramResult result = Run(run);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(Files("out"), Contains("cam/scene_00000_1.png"));
}

TEST_F(ImageFilesTest, FilesThatAreNoPhotographs) {
  const auto refused = [&](const std::string& bytes, const std::string& cause) {
    Write(kDamaged, bytes);
    const std::string message = std::string(kDamaged) + ": " + cause;
    for (const Arguments& command : {Predict(), TrainCls()}) ExpectRefused(command, message);
  };
  const std::string jpeg = ReadBytes(dir_ / kDamaged);
  refused("", "empty file");
  refused("hello\n", "neither JPEG nor PNG");
  refused("GIF89a......", "looks like GIF, convert it to JPEG or PNG");
  refused(jpeg.substr(0, 20), "");
  ExpectSkipped(Predict());
  EXPECT_EQ(Files("out").size(), TrainIds().size() - 1);
  fs::remove_all(dir_ / "out");

  fs::remove(dir_ / kDamaged);
  ExpectRefused(Predict(), "s/JPEGImages/scene_00003: no .jpg, .jpeg or .png there");
  // A header that promises more pixels than any memory has.
  std::string png = MakePng(ImageU8(4, 4, 3), {});
  png.replace(16, 8, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
  Write("s/JPEGImages/scene_00003.png", png);
  ExpectRefused(Predict(), "s/JPEGImages/scene_00003.png: ");
}

TEST_F(ImageFilesTest, LargerThanIsAllowed) {
  const Arguments eval = {"eval",      "--predictions",       "s/SegmentationClass",
                          "--truth",   "s/SegmentationClass", "--list",
                          "s/val.txt", "--classes",           "s/classes.txt"};
  const std::string message = "of 64x64 pixels is too large: decoding it takes 1 MB; ";
  for (const Arguments& command : {Predict(), Cam(), Saliency(), TrainCls(), TrainSeg(), eval})
    ExpectRefused(command + Arguments{"--max-pixels", "4095"}, message + "--max-pixels 4096");
  const ProgramResult predict = Run(Predict() + Arguments{"--max-pixels", "4096"});
  EXPECT_EQ(predict.status, 0) << predict.err;
  fs::remove_all(dir_ / "out");
  Write("c.toml",
        "[run]\nout = 'out'\nimages = 's/JPEGImages'\nsaliency = 's/Saliency'\n"
        "train = 's/train.txt'\nclasses = 's/classes.txt'\nmax-pixels = 4095\n");
  ExpectRefused({"run", "--config", "c.toml"}, message);
}

TEST_F(ImageFilesTest, SaliencyMaps) {
  const std::string map = "s/Saliency/scene_00003.png";
  WriteGreyPng(dir_ / map, ImageU8(64, 63, 1));
  ExpectRefused(TrainCls(),
                map + ": saliency map is 63x64, its photograph " + kDamaged + " is 64x64");
  const Arguments label = {"label",  "--cams",      "cams",  "--saliency", "s/Saliency",
                           "--list", "s/train.txt", "--out", "out"};
  fs::create_directory(dir_ / "cams");
  WriteGreyPng(dir_ / "cams/scene_00003_3.png", ImageU8(64, 64, 1));
  Write("l.txt", "scene_00003 3\n");
  Arguments one = label;
  one[6] = "l.txt";
  ExpectRefused(
      one, "cams/scene_00003_3.png: attention map is 64x64, its saliency map " + map + " is 63x64");
  fs::remove(dir_ / map);
  ExpectRefused(TrainCls(), map + ": saliency map is missing");
  ExpectRefused(one, map + ": saliency map is missing");
  const ProgramResult skipped = Run(TrainCls() + Arguments{"--on-error", "skip"});
  EXPECT_EQ(skipped.status, 1);
  EXPECT_THAT(skipped.err, HasSubstr("left out: " + map + ": saliency map is missing"));
  fs::remove_all(dir_ / "out");

  ImageU8 coloured(64, 64, 3);
  coloured.at(5, 5, 1) = 200;
  WriteRgbPng(dir_ / map, coloured);
  ExpectRefused(TrainCls(), map + ": a map must be grey, this image has colours");
}

TEST_F(ImageFilesTest, TrainingsWarnOfMapsAndMasksThatSayNothing) {
  const std::vector<std::string> ids = TrainIds();
  const auto expect_warning = [&](const Arguments& arguments, const std::string& text) {
    const ProgramResult result = Run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("i2crc: warning: " + text));
    EXPECT_EQ(result.err.find(text), result.err.rfind(text)) << result.err;
    fs::remove_all(dir_ / "out");
  };
  for (const std::string& id : ids)
    WriteGreyPng(dir_ / ("s/Saliency/" + id + ".png"), ImageU8(64, 64, 1, 9));
  expect_warning(TrainCls(), fmt::format("s/Saliency: {} of {} saliency maps have one value "
                                         "everywhere",
                                         ids.size(), ids.size()));
  const std::string mask = "s/SegmentationClass/" + ids[0] + ".png";
  ImageU8 object(64, 64, 1, 0);
  object.at(5, 5) = 255;
  for (const std::string& id : ids)
    WriteGreyPng(dir_ / ("s/SegmentationClass/" + id + ".png"), object);
  expect_warning(TrainSeg(), fmt::format("s/SegmentationClass: none of {} masks has a pixel of a "
                                         "class, they hold 0 (background) and 255 (ignored) only",
                                         ids.size()));
  WriteGreyPng(dir_ / mask, ImageU8(64, 64, 1, 1));
  expect_warning(TrainSeg() + Arguments{"--half", "both"},
                 "s/SegmentationClass: no pixel of any mask is of a class that images are tagged "
                 "with: ");
  // A run reads them for several stages.
  Write("c.toml",
        "[run]\nout = 'out'\nimages = 's/JPEGImages'\nsaliency = 's/Saliency'\n"
        "train = 's/train.txt'\nclasses = 's/classes.txt'\ntruth = 's/SegmentationClass'\n"
        "[train-cls]\narch = 'resnet18'\nwidth = 0.125\ninput-size = 64\nepochs = 1\n");
  const Arguments run = {"run", "--config", "c.toml", "--to", "label"};
  expect_warning(run, "s/Saliency: ");
  expect_warning(run, "s/SegmentationClass: no pixel of any mask is of a class");
}

TEST_F(ImageFilesTest, Masks) {
  const std::string mask = "s/SegmentationClass/scene_00003.png";
  WriteMaskPng(dir_ / mask, ImageU8(60, 64, 1), VocPalette());
  ExpectRefused(TrainSeg(), mask + ": mask is 64x60, its photograph " + kDamaged + " is 64x64");
  WriteMaskPng(dir_ / mask, ImageU8(64, 64, 1, 7), VocPalette());
  ExpectRefused(TrainSeg(),
                mask + ": mask has the value 7 at column 0, row 0, but 6 classes allow");
  WriteRgbPng(dir_ / mask, ImageU8(64, 64, 3));
  ExpectRefused(TrainSeg(), mask + ": ");
  fs::remove(dir_ / mask);
  ExpectRefused(TrainSeg(), mask + ": mask is missing");
  ExpectRefused({"eval", "--predictions", "s/SegmentationClass", "--truth", "s/SegmentationClass",
                 "--list", "s/train.txt", "--classes", "s/classes.txt", "--json", "out/e.json"},
                mask + ": ");
  const ProgramResult skipped = Run(TrainSeg() + Arguments{"--on-error", "skip"});
  EXPECT_EQ(skipped.status, 1) << skipped.err;
  EXPECT_THAT(skipped.err, HasSubstr("left out: " + mask + ": mask is missing"));
  fs::remove_all(dir_ / "out");

  for (const std::string& id : TrainIds())
    WriteMaskPng(dir_ / ("s/SegmentationClass/" + id + ".png"), ImageU8(64, 64, 1, 255),
                 VocPalette());
  ExpectRefused(TrainSeg(), "every mask of the list is ignored as a whole");
}

// What the same photograph looks like in other files.
class KindsTest : public ImageFilesTest {
 protected:
  KindsTest() {
    for (int y = 0; y < rgb_.height(); ++y)
      for (int x = 0; x < rgb_.width(); ++x) {
        rgb_.at(y, x, 0) = static_cast<uint8_t>(4 * x);
        rgb_.at(y, x, 1) = static_cast<uint8_t>(6 * y);
        rgb_.at(y, x, 2) = static_cast<uint8_t>((x * y) % 251);
        grey_.at(y, x) = static_cast<uint8_t>(2 * (x + y));
        for (int c = 0; c < 3; ++c) spread_.at(y, x, c) = grey_.at(y, x);
        // 90° to the left: shown upright by orientation 6, which turns to the right.
        for (int c = 0; c < 3; ++c) turned_.at(rgb_.width() - 1 - x, y, c) = rgb_.at(y, x, c);
      }
    fs::create_directory(dir_ / "kinds");
    WriteRgbPng(dir_ / "kinds/rgb.png", rgb_);
    WriteRgbPng(dir_ / "kinds/spread.png", spread_);
    Write("kinds/grey.png", MakePng(grey_, {.type = PNG_COLOR_TYPE_GRAY}));
    Write("kinds/turned.png", MakePng(turned_, {.exif = TiffOrientation(6, true)}));
    Write("kinds/deep.png", MakePng(rgb_.width(), Deep(), {.depth = 16}));
    Write("kinds/turned_jpeg.jpg", MakeJpeg(turned_, {.app1 = ExifOrientationBlock(6, false)}));
    Write("kinds/cmyk.jpg",
          MakeJpeg(Cmyk(), {.given = JCS_CMYK, .stored = JCS_CMYK, .adobe_marker = true}));
    Write("kinds/grey_jpeg.jpg",
          MakeJpeg(grey_, {.given = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE}));
    Write("kinds.txt",
          "rgb 0\nspread 1\ngrey 2\nturned 0\ndeep 0\nturned_jpeg 0\ncmyk 0\ngrey_jpeg 1 2\n");
  }

  std::vector<std::string> Deep() const {
    std::vector<std::string> rows;
    for (int y = 0; y < rgb_.height(); ++y) {
      rows.emplace_back();
      for (int i = 0; i < 3 * rgb_.width(); ++i)
        rows.back().append(2, static_cast<char>(rgb_.row(y)[i]));  // v · 257
    }
    return rows;
  }
  // Adobe's, inverted: 255 − ink, and no black.
  ImageU8 Cmyk() const {
    ImageU8 cmyk(rgb_.height(), rgb_.width(), 4, 255);
    for (int y = 0; y < rgb_.height(); ++y)
      for (int x = 0; x < rgb_.width(); ++x)
        for (int c = 0; c < 3; ++c) cmyk.at(y, x, c) = rgb_.at(y, x, c);
    return cmyk;
  }
  static Arguments OfKinds(Arguments arguments) {
    arguments[4] = "kinds";
    arguments[6] = "kinds.txt";
    return arguments;
  }

  ImageU8 rgb_{40, 60, 3}, grey_{40, 60, 1}, spread_{40, 60, 3}, turned_{60, 40, 3};
};

TEST_F(KindsTest, EveryKindIsSeenAsPeopleSeeIt) {
  const ProgramResult predict = Run(OfKinds(Predict()) + Arguments{"--probabilities"});
  ASSERT_EQ(predict.status, 0) << predict.err;
  const auto file = [&](const std::string& name) { return ReadBytes(dir_ / "out" / name); };
  for (const char* same : {"turned", "deep"}) {
    EXPECT_EQ(file(std::string(same) + ".safetensors"), file("rgb.safetensors")) << same;
    EXPECT_EQ(file(std::string(same) + ".png"), file("rgb.png")) << same;
  }
  EXPECT_EQ(file("grey.safetensors"), file("spread.safetensors"));
  EXPECT_NE(file("grey.safetensors"), file("rgb.safetensors"));
  for (const char* id : {"turned_jpeg", "cmyk", "grey_jpeg"}) {
    const ImageU8 mask = ReadMask(dir_ / "out" / (std::string(id) + ".png"));
    EXPECT_EQ(mask.height(), 40) << id;
    EXPECT_EQ(mask.width(), 60) << id;
  }
  fs::remove_all(dir_ / "out");

  const ProgramResult cam = Run(OfKinds(Cam()));
  ASSERT_EQ(cam.status, 0) << cam.err;
  EXPECT_EQ(file("turned_0.png"), file("rgb_0.png"));
  EXPECT_EQ(file("deep_0.png"), file("rgb_0.png"));
  EXPECT_EQ(ReadGrey(dir_ / "out/cmyk_0.png").width(), 60);
}

// What a detector of red sees of colours that JPEG keeps almost.
TEST_F(KindsTest, ColoursOfEveryKind) {
  Write("m.onnx", RedDetector({1, 3, 40, 60}));
  const ProgramResult result = Run({"saliency", "--model", "m.onnx", "--images", "kinds", "--list",
                                    "kinds.txt", "--out", "out", "--preset", "plain"});
  ASSERT_EQ(result.status, 0) << result.err;
  const auto map = [&](const std::string& id) { return ReadGrey(dir_ / "out" / (id + ".png")); };
  const ImageU8 expected = map("rgb");
  EXPECT_EQ(map("turned"), expected);
  EXPECT_EQ(map("deep"), expected);
  for (const char* id : {"turned_jpeg", "cmyk"}) {
    const ImageU8 seen = map(id);
    ASSERT_TRUE(seen.SameSize(expected)) << id;
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 60; ++x) ASSERT_NEAR(seen.at(y, x), expected.at(y, x), 12) << id;
  }
}

TEST_F(KindsTest, EveryKindTrains) {
  for (const char* id :
       {"rgb", "spread", "grey", "turned", "deep", "turned_jpeg", "cmyk", "grey_jpeg"}) {
    WriteGreyPng(dir_ / "s/Saliency" / (std::string(id) + ".png"), grey_);
    WriteMaskPng(dir_ / "s/SegmentationClass" / (std::string(id) + ".png"), ImageU8(40, 60, 1, 1),
                 VocPalette());
  }
  for (Arguments command : {TrainCls(), TrainSeg()}) {
    command[2] = "kinds";
    command[6] = "kinds.txt";
    const ProgramResult result = Run(command);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(Files("out"), Contains("checkpoint.safetensors")) << command[0];
    fs::remove_all(dir_ / "out");
  }
  // A map lies on the photograph as it is seen, not as it is stored.
  WriteGreyPng(dir_ / "s/Saliency/turned.png", ImageU8(60, 40, 1));
  Arguments command = TrainCls();
  command[2] = "kinds";
  command[6] = "kinds.txt";
  ExpectRefused(command,
                "s/Saliency/turned.png: saliency map is 40x60, its photograph "
                "kinds/turned.png is 60x40");
}

}  // namespace
}  // namespace i2crc::testing
