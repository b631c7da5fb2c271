// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>
#include <vector>

#include "i2crc/cli/command.h"
#include "i2crc/core/error.h"
#include "i2crc/steps/weights_step.h"

namespace i2crc {
namespace {

struct WeightsOptions {};
void Describe(WeightsOptions&, OptionSet&) {}

int Inspect(const std::vector<std::string>& arguments, Context&) {
  if (arguments.size() > 2) Fail("unexpected argument '{}': weights inspect FILE", arguments[2]);
  std::fputs(DescribeWeights(arguments[1]).c_str(), stdout);
  return 0;
}

int Convert(const std::vector<std::string>& arguments, Context& context) {
  if (arguments.size() < 3) Fail("OUT is missing: weights convert IN OUT.safetensors");
  const ConvertResult result = PrepareConversion(arguments[1], arguments[2]).Run(context);
  context.log().info("weights: {} tensors, {} bytes, in {}", result.tensors, result.bytes,
                     arguments[2]);
  return 0;
}

int Run(const WeightsOptions&, const ParsedCommandLine& line, Context& context) {
  const std::vector<std::string>& arguments = line.positionals;
  if (arguments[0] == "inspect") return Inspect(arguments, context);
  if (arguments[0] == "convert") return Convert(arguments, context);
  const std::string nearest = NearestName(arguments[0], {"inspect", "convert"});
  Fail("weights cannot '{}'; {}", arguments[0],
       nearest.empty() ? "it can inspect FILE or convert IN OUT"
                       : fmt::format("did you mean '{}'?", nearest));
}

}  // namespace

Command WeightsCommand() {
  return MakeCommand<WeightsOptions>(
      {.name = "weights",
       .summary = "look into files of weights, convert them to safetensors",
       .details =
           "i2crc weights inspect FILE prints what kind of file it is, its metadata and its "
           "tensors.\n"
           "i2crc weights convert IN OUT.safetensors keeps names, dtypes, order and metadata.\n"
           "Files are .safetensors or PyTorch's .pth, zip or legacy; nothing in them is executed.",
       .positionals = {"inspect|convert", "FILE", "[OUT]"}},
      Run);
}

}  // namespace i2crc
