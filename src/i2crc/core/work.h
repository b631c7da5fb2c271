// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "i2crc/core/context.h"
#include "i2crc/core/out_folder.h"

namespace i2crc {

// A step of the program that was prepared: everything that can be found out before work was found
// out, and what it needs is loaded. Who has one need only let it run. To prepare is what fails with
// exit status 2, to work what fails with 3.
template <typename Result>
class Work {
 public:
  // out: the folder that it writes to, "" where it writes to none.
  Work(std::filesystem::path out, std::function<Result(Context&)> work)
      : out_(std::move(out)), work_(std::move(work)) {}

  // Takes the folder (core/out_folder.h), and works. Once.
  Result Run(Context& context) const {
    std::optional<OutFolder> folder;
    if (!out_.empty()) folder.emplace(out_, context);
    context.WorkBegins();
    return work_(context);
  }

 private:
  std::filesystem::path out_;
  std::function<Result(Context&)> work_;
};

// Of a step: a class that is made of its options, throws Error where they cannot be worked with,
// and works in Run(context). options must have an `out`.
template <typename Step, typename Options>
auto PrepareStep(const Options& options, Context& context) {
  auto step = std::make_shared<Step>(options, context);
  using Result = decltype(step->Run(context));
  return Work<Result>(options.out, [step](Context& c) { return step->Run(c); });
}

}  // namespace i2crc
