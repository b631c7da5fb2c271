// SPDX-License-Identifier: Apache-2.0
#include "i2crc/steps/weights_step.h"

#include <memory>
#include <string_view>
#include <system_error>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/weights/tensor_file.h"
#include "i2crc/weights/weights_report.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

std::string_view FormatText(TensorFileFormat format) {
  switch (format) {
    case TensorFileFormat::kSafetensors:
      return "safetensors";
    case TensorFileFormat::kTorchZip:
      return "PyTorch checkpoint (zip)";
    case TensorFileFormat::kTorchLegacy:
      return "PyTorch checkpoint (legacy, a stream of pickles)";
  }
  ENSURE(false, "a format without a name");
  return "";
}

bool HasPrefix(const TensorMap& tensors, std::string_view prefix) {
  for (const auto& [name, tensor] : tensors.items())
    if (name.starts_with(prefix) || name.starts_with("module." + std::string(prefix))) return true;
  return false;
}

// Who trained it, told by the names; "" where that is open.
std::string_view OriginText(const TensorMap& tensors) {
  if (tensors.metadata.count("i2crc") > 0) return ", checkpoint of i2crc train-cls or train-seg";
  if (HasPrefix(tensors, "extra_convs.") || HasPrefix(tensors, "base.classifier.conv2d_list."))
    return ", names of the authors' checkpoints";
  if (HasPrefix(tensors, "layer1.0.") || HasPrefix(tensors, "features.0."))
    return ", names of torchvision's networks";
  return "";
}

}  // namespace

std::string DescribeWeights(const fs::path& file) {
  const TensorFileFormat format = SniffTensorFile(file);
  const TensorMap tensors = ReadTensorHeaders(file);
  return fmt::format("{}: {}{}\n\n{}", file.string(), FormatText(format), OriginText(tensors),
                     InspectText(tensors));
}

Work<ConvertResult> PrepareConversion(const fs::path& in, const fs::path& out) {
  if (out.extension() != ".safetensors")
    Fail("{}: the converted file must end in .safetensors, which is what it becomes", out.string());
  std::error_code ignored;
  if (fs::equivalent(in, out, ignored))
    Fail("{}: would be overwritten by its own conversion; name another file", in.string());
  if (fs::is_directory(out, ignored)) Fail("{}: is a folder", out.string());
  CheckWritable(out.parent_path(), out.string());
  const auto tensors = std::make_shared<TensorMap>(ReadTensorFile(in));
  return {"", [out, tensors](Context&) {
            if (out.has_parent_path()) MakeFolder(out.parent_path());
            WriteSafetensors(out, *tensors);
            ConvertResult result;
            result.tensors = tensors->size();
            for (const auto& [name, tensor] : tensors->items()) result.bytes += tensor.bytes.size();
            return result;
          }};
}

}  // namespace i2crc
