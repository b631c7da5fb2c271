// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "i2crc/core/context.h"
#include "i2crc/inputs/common_options.h"
#include "i2crc/threads/pipeline.h"

namespace i2crc {

// What a step does with item i of its list, in this order.
template <typename T>
struct ItemWork {
  // What item i is called where memory does not suffice for it: its ID or file. Such an item is
  // left out under OnError::kSkip, whatever was done with it.
  std::function<std::string(int64_t i)> name;
  // On a worker thread: reads and computes. An Error leaves the item out under OnError::kSkip.
  std::function<T(int64_t i)> make;
  // On a worker thread, may be empty: writes. An Error always stops the step, since a full disk is
  // no fault of the item.
  std::function<void(int64_t i, const T& made)> write;
  // On the calling thread, in order of i.
  std::function<void(int64_t i, const T& made)> take;
};

// Works on items 0 … count − 1 on `workers` threads (0, or none to be had: on the calling one),
// holding few at once.
// What is taken, left out and thrown, and the order of it, does not depend on their number: an
// Error comes up after everything before its item was taken. Throws Interrupted once the user asked
// to stop.
template <typename T>
void ForEachItem(const std::string& title, int64_t count, int workers, OnError on_error,
                 const ItemWork<T>& work, Context& context) {
  struct Outcome {
    std::optional<T> made;
    std::string failure;
  };
  const auto run = [&](int64_t i) {
    Outcome outcome;
    const auto leave_out = [&](const Error& error) {
      if (on_error == OnError::kStop) throw;
      outcome.made.reset();
      outcome.failure = error.what();
    };
    const std::string name = work.name(i);
    try {
      outcome.made = WithMemoryFor(name, [&] { return work.make(i); });
    } catch (const Error& error) {
      leave_out(error);
    }
    try {
      if (work.write && outcome.made) WithMemoryFor(name, [&] { work.write(i, *outcome.made); });
    } catch (const OutOfMemory& error) {
      leave_out(error);
    }
    return outcome;
  };
  const auto threads = static_cast<int>(std::min<int64_t>(workers, count));
  Prefetcher<Outcome> outcomes(0, count, threads, 2 * int64_t{workers}, run);
  context.WarnOfFewThreads(outcomes.threads(), threads);
  const auto progress = context.StartProgress(title, count, "images");
  for (int64_t i = 0; i < count; ++i) {
    context.CheckInterrupted();
    const std::string name = work.name(i);
    const Outcome outcome = WithMemoryFor(name, [&] { return outcomes.Next(); });
    if (outcome.made.has_value()) {
      TryMemory(context, on_error, name, [&] { work.take(i, *outcome.made); });
    } else {
      context.LeaveOut(outcome.failure);
    }
    progress->Advance();
  }
}

// On as many threads as `items` says.
template <typename T>
void ForEachItem(const std::string& title, int64_t count, const ItemOptions& items,
                 const ItemWork<T>& work, Context& context) {
  const int threads = ThreadCount(items.threads);
  ForEachItem(title, count, threads > 1 ? threads : 0, items.policy(), work, context);
}

}  // namespace i2crc
