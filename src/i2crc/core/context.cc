// SPDX-License-Identifier: Apache-2.0
#include "i2crc/core/context.h"

#include <spdlog/sinks/null_sink.h>

#include <csignal>
#include <cstdlib>

namespace i2crc {
namespace {

class SilentProgress : public Progress {
 public:
  void Advance(int64_t) override {}
  void Note(const std::string&) override {}
};

// Lock-free, so that the signal handler may touch it.
std::atomic<int> g_interrupts{0};
static_assert(std::atomic<int>::is_always_lock_free);

void OnSignal(int signal) {
  // A terminal that goes away sends SIGHUP more than once, which is no second wish.
  if (g_interrupts.fetch_add(1) > 0 && signal != SIGHUP) std::_Exit(128 + signal);
}

}  // namespace

Context::Context(
    std::shared_ptr<spdlog::logger> log,
    std::function<std::unique_ptr<Progress>(const std::string&, int64_t, const std::string&)>
        make_progress)
    : log_(std::move(log)), make_progress_(std::move(make_progress)) {}

Context::Context()
    : log_(std::make_shared<spdlog::logger>("i2crc",
                                            std::make_shared<spdlog::sinks::null_sink_mt>())) {}

std::unique_ptr<Progress> Context::StartProgress(const std::string& title, int64_t total,
                                                 const std::string& unit) {
  if (!make_progress_) return std::make_unique<SilentProgress>();
  return make_progress_(title, total, unit);
}

void Context::WarnOnce(const std::string& what) {
  const std::lock_guard lock(warned_of_mutex_);
  if (warned_of_.insert(what).second) log_->warn("{}", what);
}

// In the same words whatever the numbers, so that one command says it once.
void Context::WarnOfFewThreads(int started, int wanted) {
  if (started < wanted)
    WarnOnce(
        "fewer threads could be started than were asked for, so this takes longer; allow more "
        "processes (ulimit -u) or memory, or ask for fewer threads");
}

void Context::LeaveOut(const std::string& what) {
  ++left_out_;
  log_->warn("left out: {}", what);
}

bool Context::InterruptRequested() { return g_interrupts.load(std::memory_order_relaxed) > 0; }
void Context::RequestInterrupt() { ++g_interrupts; }
void Context::ClearInterrupt() { g_interrupts = 0; }

void Context::InstallSignalHandlers() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // Under nohup it is ignored and stays so.
  struct sigaction inherited = {};
  if (sigaction(SIGHUP, nullptr, &inherited) != 0 || inherited.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &action, nullptr);
  // A file that may not grow any more then fails to be written, as on a full disk, and is named.
  signal(SIGXFSZ, SIG_IGN);
}

namespace {

template <typename Fault>
bool TryOrLeaveOut(Context& context, OnError on_error, const std::string& name,
                   const std::function<void()>& work) {
  try {
    WithMemoryFor(name, work);
    return true;
  } catch (const Fault& fault) {
    if (on_error == OnError::kStop) throw;
    context.LeaveOut(fault.what());
    return false;
  }
}

}  // namespace

bool TryItem(Context& context, OnError on_error, const std::string& name,
             const std::function<void()>& work) {
  return TryOrLeaveOut<Error>(context, on_error, name, work);
}

bool TryMemory(Context& context, OnError on_error, const std::string& name,
               const std::function<void()>& work) {
  return TryOrLeaveOut<OutOfMemory>(context, on_error, name, work);
}

}  // namespace i2crc
