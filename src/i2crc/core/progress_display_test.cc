// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/progress_display.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

namespace i2crc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A clock that goes when it is told to.
struct FakeClock {
  std::chrono::steady_clock::time_point time{seconds(1000)};
  std::function<std::chrono::steady_clock::time_point()> Now() {
    return [this] { return time; };
  }
};

class OffTerminal : public ::testing::Test {
 protected:
  OffTerminal() : out_(std::tmpfile()) {}
  ~OffTerminal() override { std::fclose(out_); }
  std::string Text() {
    std::string text(static_cast<size_t>(std::ftell(out_)), '\0');
    std::rewind(out_);
    EXPECT_EQ(std::fread(text.data(), 1, text.size(), out_), text.size());
    return text;
  }

  FILE* out_;
  FakeClock clock_;
};

TEST_F(OffTerminal, OneLineInTenSecondsAndOneAtTheEnd) {
  {
    auto progress = MakeProgressDisplay(out_, false, clock_.Now())("train-cls", 40, "steps");
    for (int i = 1; i <= 40; ++i) {
      clock_.time += milliseconds(800);
      progress->Note("loss 0.41");
      progress->Advance();
    }
  }
  // 32 seconds in all: lines where 10.4 and 20.8 and 31.2 seconds are over.
  EXPECT_EQ(Text(),
            "train-cls: 13/40 steps, 1.2 steps/s, 0:22 left, loss 0.41\n"
            "train-cls: 26/40 steps, 1.2 steps/s, 0:11 left, loss 0.41\n"
            "train-cls: 39/40 steps, 1.2 steps/s, 0:01 left, loss 0.41\n"
            "train-cls: 40/40 steps, 1.2 steps/s, 0:32 in all, loss 0.41\n");
}

TEST_F(OffTerminal, WorkThatStopsEarlySaysHowFarItCame) {
  MakeProgressDisplay(out_, false, clock_.Now())("cam", 10, "images")->Advance(3);
  EXPECT_EQ(Text(), "cam: 3/10 images, 0:00 in all\n");
}

TEST_F(OffTerminal, AnUnknownTotalHasNoTimeLeft) {
  {
    auto progress = MakeProgressDisplay(out_, false, clock_.Now())("list", 0, "files");
    progress->Advance();
    clock_.time += seconds(20);
    progress->Advance(4000);
  }
  EXPECT_EQ(Text(), "list: 4001 files, 200 files/s\nlist: 4001 files, 200 files/s, 0:20 in all\n");
}

TEST_F(OffTerminal, TheJumpOfResumedWorkIsNotSpeed) {
  {
    auto progress = MakeProgressDisplay(out_, false, clock_.Now())("train-seg", 2000, "steps");
    clock_.time += seconds(3);
    progress->Advance(1500);
    clock_.time += seconds(10);
    progress->Advance(10);
  }
  EXPECT_EQ(Text(),
            "train-seg: 1510/2000 steps, 1 steps/s, 8:10 left\n"
            "train-seg: 1510/2000 steps, 1 steps/s, 0:13 in all\n");
}

TEST_F(OffTerminal, TheRateIsThatOfLate) {
  {
    auto progress = MakeProgressDisplay(out_, false, clock_.Now())("cam", 100000, "images");
    progress->Advance();
    clock_.time += seconds(1);
    progress->Advance(50000);
    for (int i = 0; i < 50; ++i) {
      clock_.time += seconds(1);
      progress->Advance(20);
    }
  }
  EXPECT_NE(Text().find("cam: 50781/100000 images, 20.0 images/s, 41:01 left"), std::string::npos)
      << Text();
}

TEST_F(OffTerminal, QuietShowsNothing) {
  Context context(std::make_shared<spdlog::logger>("i2crc", MakeTerminalSink(out_)),
                  MakeProgressDisplay(out_, true, clock_.Now()));
  auto progress = context.StartProgress("cam", 2, "images");
  clock_.time += seconds(100);
  progress->Advance(2);
  progress->Note("x");
  progress.reset();
  EXPECT_EQ(Text(), "");
}

TEST_F(OffTerminal, MessagesHaveTheirPrefix) {
  spdlog::logger log("i2crc", MakeTerminalSink(out_));
  log.set_pattern("[%l] %v");
  log.info("plain {}", 1);
  log.warn("odd");
  log.error("wrong");
  log.flush();
  EXPECT_EQ(Text(), "plain 1\ni2crc: warning: odd\ni2crc: error: wrong\n");
}

TEST_F(OffTerminal, ThreadsMayShareADisplay) {
  {
    auto progress = MakeProgressDisplay(out_, false)("cam", 4000, "images");
    spdlog::logger log("i2crc", MakeTerminalSink(out_));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          progress->Advance();
          progress->Note("x");
          if (i % 100 == 0) log.warn("message");
        }
      });
    for (auto& thread : threads) thread.join();
  }
  const std::string text = Text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 41);
  EXPECT_NE(text.find("cam: 4000/4000 images"), std::string::npos);
}

// The other side of a pseudo-terminal of 60 columns.
class OnTerminal : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TERM", "xterm", 1);
    main_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (main_ < 0 || grantpt(main_) != 0 || unlockpt(main_) != 0)
      GTEST_SKIP() << "no pseudo-terminals here";
    const int other = open(ptsname(main_), O_RDWR | O_NOCTTY);
    ASSERT_GE(other, 0);
    termios mode = {};
    tcgetattr(other, &mode);
    mode.c_oflag &= ~static_cast<tcflag_t>(OPOST);  // no \r in front of \n
    tcsetattr(other, TCSANOW, &mode);
    SetWidth(60);
    out_ = fdopen(other, "w");
  }
  void TearDown() override {
    if (out_ != nullptr) std::fclose(out_);
    if (main_ >= 0) close(main_);
  }
  void SetWidth(unsigned short columns) {
    winsize size = {};
    size.ws_row = 24;
    size.ws_col = columns;
    ioctl(main_, TIOCSWINSZ, &size);
  }
  // What was written since the last call. It arrives when the kernel finds the time, so it is read
  // up to a mark.
  std::string Text() {
    constexpr char kMark = '\x02';
    std::fputc(kMark, out_);
    std::fflush(out_);
    std::string text;
    while (!text.ends_with(kMark)) {
      std::array<char, 4096> block;
      const ssize_t got = read(main_, block.data(), block.size());
      if (got <= 0) break;
      text.append(block.data(), static_cast<size_t>(got));
    }
    if (text.ends_with(kMark)) text.pop_back();
    return text;
  }

  int main_ = -1;
  FILE* out_ = nullptr;
  FakeClock clock_;
};

constexpr char kClear[] = "\r\x1b[K";

TEST_F(OnTerminal, OneLineIsRedrawnTenTimesASecondAtMost) {
  auto progress = MakeProgressDisplay(out_, false, clock_.Now())("cam", 20, "images");
  EXPECT_EQ(Text(), std::string(kClear) + "cam [" + std::string(40, '.') + "] 0/20 images");
  progress->Advance();
  Text();
  for (int i = 0; i < 9; ++i) {
    clock_.time += milliseconds(10);
    progress->Advance();
  }
  EXPECT_EQ(Text(), "") << "less than a tenth of a second is over";
  progress->Note("dog\n7");
  clock_.time += milliseconds(910);
  progress->Advance(0);
  EXPECT_EQ(Text(), std::string(kClear) + "cam [" +
                        "#####.....] 10/20 images, 9 images/s, 0:01 left, dog 7");
  clock_.time += seconds(1);
  progress->Advance(10);
  Text();
  progress.reset();
  EXPECT_EQ(Text(), std::string(kClear) + "cam: 20/20 images, 9.5 images/s, 0:02 in all, dog 7\n");
}

TEST_F(OnTerminal, TheLineNeverWraps) {
  for (const unsigned short columns : {10, 20, 40, 60, 120}) {
    SetWidth(columns);
    auto progress = MakeProgressDisplay(out_, false, clock_.Now())("réseau", 20, "images");
    progress->Note("a note that is as long as a narrow terminal is wide");
    clock_.time += seconds(1);
    progress->Advance(1);
    std::string text = Text();
    text = text.substr(text.rfind(kClear) + 4);
    const auto width =
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LT(width, columns) << text;
    progress.reset();
    Text();
  }
}

TEST_F(OnTerminal, AMessageDoesNotTearTheLine) {
  auto progress = MakeProgressDisplay(out_, false, clock_.Now())("cam", 0, "images");
  spdlog::logger log("i2crc", MakeTerminalSink(out_));
  Text();
  log.warn("odd");
  EXPECT_EQ(Text(), std::string(kClear) + "i2crc: warning: odd\n" + kClear + "cam 0 images");
  progress.reset();
  Text();
  log.warn("later");
  EXPECT_EQ(Text(), std::string(kClear) + "i2crc: warning: later\n");
}

TEST_F(OnTerminal, TheNewestOfSeveralIsDrawnAndTheOlderComesBack) {
  const auto make = MakeProgressDisplay(out_, false, clock_.Now());
  auto outer = make("run", 0, "stages");
  auto inner = make("cam", 0, "images");
  Text();
  clock_.time += seconds(1);
  outer->Advance();
  EXPECT_EQ(Text(), "");
  inner.reset();
  EXPECT_EQ(Text(), std::string(kClear) + "cam: 0 images, 0:01 in all\n" + kClear + "run 1 stages");
}

}  // namespace
}  // namespace i2crc
