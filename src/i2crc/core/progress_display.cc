// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/progress_display.h"

#include <spdlog/details/log_msg.h>
#include <spdlog/sinks/sink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "i2crc/core/columns.h"

namespace i2crc {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kRedrawEvery = milliseconds(100);
constexpr auto kLineEvery = seconds(10);
constexpr auto kRateWindow = seconds(30);
constexpr auto kSampleEvery = milliseconds(500);

// "11:20", "1:02:03".
std::string Duration(double in_seconds) {
  // Past a year nobody counts, and the conversion stays defined.
  const auto whole = static_cast<int64_t>(std::llround(std::clamp(in_seconds, 0.0, 3.2e7)));
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string RateText(double rate) {
  if (rate >= 100) return fmt::format("{:.0f}", rate);
  if (rate >= 10) return fmt::format("{:.1f}", rate);
  return fmt::format("{:.2g}", rate);
}

std::string Cut(std::string text, size_t columns) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!ContinuesCodePoint(text[i]) && seen++ == columns) {
      text.resize(i);
      break;
    }
  }
  return text;
}

// A line end or an escape sequence in a note would break the line that is redrawn.
std::string OnOneLine(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

// How fast the count grew of late.
class RateMeter {
 public:
  void Add(Clock::time_point now, int64_t count) {
    if (samples_.empty()) {
      first_ = {now, count};
    } else if (now - samples_.back().time < kSampleEvery) {
      return;
    }
    samples_.push_back({now, count});
    while (samples_.size() > 2 && now - samples_[1].time >= kRateWindow) samples_.pop_front();
  }
  // Steps a second, 0 where nothing is known yet.
  double Recent(Clock::time_point now, int64_t count) const {
    return samples_.empty() ? 0 : Between(samples_.front(), now, count);
  }
  double Overall(Clock::time_point now, int64_t count) const {
    return samples_.empty() ? 0 : Between(first_, now, count);
  }

 private:
  struct Sample {
    Clock::time_point time;
    int64_t count = 0;
  };
  static double Between(const Sample& sample, Clock::time_point now, int64_t count) {
    const double elapsed = std::chrono::duration<double>(now - sample.time).count();
    return elapsed > 0 ? static_cast<double>(count - sample.count) / elapsed : 0;
  }

  Sample first_;
  std::deque<Sample> samples_;
};

class Display;

// A stream that displays and log messages share. Its mutex guards everything that is written, and
// the displays' own state.
class Terminal {
 public:
  explicit Terminal(FILE* out) : out_(out) {
    const char* kind = std::getenv("TERM");
    redraws_ = isatty(fileno(out)) != 0 && (kind == nullptr || std::string_view(kind) != "dumb");
  }
  // The one of a stream, as long as anybody holds it.
  static std::shared_ptr<Terminal> Of(FILE* out);

  std::mutex& mutex() { return mutex_; }
  bool redraws() const { return redraws_; }

  // All below: with the mutex held.
  void Push(Display* display) { displays_.push_back(display); }
  void Remove(Display* display) { std::erase(displays_, display); }
  bool IsTop(const Display* display) const {
    return !displays_.empty() && displays_.back() == display;
  }
  // Prints a line that stays, above the line of progress.
  void PrintLine(const std::string& line);
  void DrawTop();
  void Flush() { std::fflush(out_); }

 private:
  std::string TopLine() const;
  size_t Width() const;
  void Put(const std::string& text) {
    // There is nobody to tell where this fails.
    static_cast<void>(std::fwrite(text.data(), 1, text.size(), out_));
    std::fflush(out_);
  }

  FILE* out_;
  bool redraws_;
  std::mutex mutex_;
  std::vector<Display*> displays_;
};

class Display : public Progress {
 public:
  Display(std::shared_ptr<Terminal> terminal, std::function<Clock::time_point()> now,
          std::string title, int64_t total, std::string unit)
      : terminal_(std::move(terminal)),
        now_(std::move(now)),
        title_(OnOneLine(std::move(title))),
        total_(std::max<int64_t>(total, 0)),
        unit_(OnOneLine(std::move(unit))),
        started_(now_()),
        next_(started_ +
              (terminal_->redraws() ? Clock::duration(0) : Clock::duration(kLineEvery))) {
    std::lock_guard lock(terminal_->mutex());
    terminal_->Push(this);
    if (terminal_->redraws()) terminal_->DrawTop();
  }

  ~Display() override {
    std::lock_guard lock(terminal_->mutex());
    terminal_->Remove(this);
    try {
      const std::string line = PlainLine(now_(), /*at_end=*/true);
      terminal_->PrintLine(line);
    } catch (...) {
      // A line of progress is not worth ending the program.
    }
  }
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  void Advance(int64_t steps) override {
    std::lock_guard lock(terminal_->mutex());
    count_ += steps;
    const auto now = now_();
    meter_.Add(now, count_);
    if (now < next_) return;
    next_ =
        now + (terminal_->redraws() ? Clock::duration(kRedrawEvery) : Clock::duration(kLineEvery));
    if (!terminal_->redraws()) {
      terminal_->PrintLine(PlainLine(now, /*at_end=*/false));
    } else if (terminal_->IsTop(this)) {
      terminal_->DrawTop();
    }
  }

  // Shown when the line is drawn next.
  void Note(const std::string& note) override {
    std::string clean = OnOneLine(note);
    std::lock_guard lock(terminal_->mutex());
    note_ = std::move(clean);
  }

  // The line with a bar as wide as there is room for.
  std::string BarLine(size_t width) const {
    constexpr size_t kNarrowest = 8, kWidest = 40;
    const std::string facts = Facts(now_(), /*at_end=*/false);
    const size_t taken = Columns(title_) + Columns(facts) + 4;  // two spaces, two brackets
    std::string line = title_;
    if (total_ > 0 && width >= taken + kNarrowest) {
      const size_t cells = std::min(width - taken, kWidest);
      const double share =
          std::clamp(static_cast<double>(count_) / static_cast<double>(total_), 0.0, 1.0);
      const auto full = static_cast<size_t>(share * static_cast<double>(cells));
      line += fmt::format(" [{:#<{}}{:.<{}}]", "", full, "", cells - full);
    }
    return Cut(fmt::format("{} {}", line, facts), width);
  }

 private:
  std::string PlainLine(Clock::time_point now, bool at_end) const {
    return fmt::format("{}: {}", title_, Facts(now, at_end));
  }
  std::string Facts(Clock::time_point now, bool at_end) const;

  const std::shared_ptr<Terminal> terminal_;
  const std::function<Clock::time_point()> now_;
  const std::string title_;
  const int64_t total_;
  const std::string unit_;
  const Clock::time_point started_;
  int64_t count_ = 0;
  Clock::time_point next_;
  RateMeter meter_;
  std::string note_;
};

// "120/666 steps, 0.8 steps/s, 11:20 left, loss 0.41"; at the end the whole time in place of what
// is left.
std::string Display::Facts(Clock::time_point now, bool at_end) const {
  const int64_t done = count_;
  std::string facts =
      total_ > 0 ? fmt::format("{}/{} {}", done, total_, unit_) : fmt::format("{} {}", done, unit_);
  const double rate = at_end ? meter_.Overall(now, done) : meter_.Recent(now, done);
  if (rate > 0) facts += fmt::format(", {} {}/s", RateText(rate), unit_);
  if (at_end) {
    facts +=
        fmt::format(", {} in all", Duration(std::chrono::duration<double>(now - started_).count()));
  } else if (rate > 0 && total_ > done) {
    facts += fmt::format(", {} left", Duration(static_cast<double>(total_ - done) / rate));
  }
  if (!note_.empty()) facts += ", " + note_;
  return facts;
}

std::shared_ptr<Terminal> Terminal::Of(FILE* out) {
  static std::mutex mutex;
  static std::map<FILE*, std::weak_ptr<Terminal>> terminals;
  std::lock_guard lock(mutex);
  std::weak_ptr<Terminal>& known = terminals[out];
  std::shared_ptr<Terminal> terminal = known.lock();
  if (terminal == nullptr) known = terminal = std::make_shared<Terminal>(out);
  return terminal;
}

size_t Terminal::Width() const {
  winsize size = {};
  const bool known = ioctl(fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  // Text in the last column makes some terminals wrap.
  return known ? size.ws_col - size_t{1} : 79;
}

std::string Terminal::TopLine() const {
  if (!redraws_ || displays_.empty()) return "";
  return "\r\x1b[K" + displays_.back()->BarLine(Width());
}

void Terminal::DrawTop() { Put(TopLine()); }

void Terminal::PrintLine(const std::string& line) {
  Put((redraws_ ? "\r\x1b[K" : "") + line + "\n" + TopLine());
}

class TerminalSink : public spdlog::sinks::sink {
 public:
  explicit TerminalSink(FILE* out) : terminal_(Terminal::Of(out)) {}

  void log(const spdlog::details::log_msg& message) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    const char* prefix = message.level >= spdlog::level::err    ? "i2crc: error: "
                         : message.level == spdlog::level::warn ? "i2crc: warning: "
                                                                : "";
    std::lock_guard lock(terminal_->mutex());
    terminal_->PrintLine(fmt::format("{}{}", prefix, text));
  }
  void flush() override {
    std::lock_guard lock(terminal_->mutex());
    terminal_->Flush();
  }
  // How a message looks is fixed.
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  std::shared_ptr<Terminal> terminal_;
};

}  // namespace

std::function<std::unique_ptr<Progress>(const std::string&, int64_t, const std::string&)>
MakeProgressDisplay(FILE* out, bool quiet, std::function<Clock::time_point()> now) {
  if (quiet) return {};
  return [terminal = Terminal::Of(out), now = std::move(now)](
             const std::string& title, int64_t total, const std::string& unit) {
    return std::make_unique<Display>(terminal, now, title, total, unit);
  };
}

spdlog::sink_ptr MakeTerminalSink(FILE* out) { return std::make_shared<TerminalSink>(out); }

}  // namespace i2crc
