// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "i2crc/core/error.h"

namespace i2crc {

// Shows how far a long piece of work is. Safe to call from several threads.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void Advance(int64_t steps = 1) = 0;
  // A few words shown at the end of the line ("loss 0.412").
  virtual void Note(const std::string& note) = 0;
};

// What a step is given besides its options: where it reports, and whether it was asked to stop. The
// library itself prints nothing and never exits.
class Context {
 public:
  Context(std::shared_ptr<spdlog::logger> log,
          std::function<std::unique_ptr<Progress>(const std::string& title, int64_t total,
                                                  const std::string& unit)>
              make_progress);
  // Reports to nobody (tests).
  Context();

  spdlog::logger& log() { return *log_; }
  void SetLog(std::shared_ptr<spdlog::logger> log) { log_ = std::move(log); }
  const std::shared_ptr<spdlog::logger>& shared_log() const { return log_; }

  // total: number of steps; unit: what a step is ("images", "steps").
  std::unique_ptr<Progress> StartProgress(const std::string& title, int64_t total,
                                          const std::string& unit);

  // Every check is over and the first file is about to be written (core/work.h). An Error before
  // this line ends the program with exit status 2, after it with 3.
  void WorkBegins() { work_began_ = true; }
  bool work_began() const { return work_began_; }

  // A warning that the same command may come to several times, on any thread, but says once.
  void WarnOnce(const std::string& what);
  // The same where fewer threads could be started than were wanted: the work is done all the same.
  void WarnOfFewThreads(int started, int wanted);

  // An item (an image) that is passed over because of what: logged, counted, exit status 1.
  void LeaveOut(const std::string& what);
  int64_t left_out() const { return left_out_; }

  // Throws Interrupted once the user asked to stop.
  void CheckInterrupted() const {
    if (InterruptRequested()) throw Interrupted();
  }
  static bool InterruptRequested();
  static void RequestInterrupt();
  static void ClearInterrupt();
  // SIGINT, SIGTERM and SIGHUP (unless it was ignored before, as by nohup) ask to stop; a second
  // SIGINT or SIGTERM ends the program at once. SIGXFSZ is ignored.
  static void InstallSignalHandlers();

 private:
  std::shared_ptr<spdlog::logger> log_;
  std::function<std::unique_ptr<Progress>(const std::string&, int64_t, const std::string&)>
      make_progress_;
  std::atomic<bool> work_began_{false};
  std::atomic<int64_t> left_out_{0};
  std::mutex warned_of_mutex_;
  std::set<std::string> warned_of_;
};

// What to do about an image that cannot be used.
enum class OnError { kStop, kSkip };

// Runs work for one item, of this name where memory does not suffice for it. Where it throws Error
// and the policy is to skip, the item is left out and the answer is false; other exceptions pass.
bool TryItem(Context& context, OnError on_error, const std::string& name,
             const std::function<void()>& work);
// The same of what is no fault of the item but for its size: a lack of memory alone leaves it out.
bool TryMemory(Context& context, OnError on_error, const std::string& name,
               const std::function<void()>& work);

}  // namespace i2crc
