// SPDX-License-Identifier: Apache-2.0
#include "i2crc/nn/state_dict.h"

#include <torch/torch.h>

#include <cstring>
#include <set>

#include "i2crc/core/error.h"
#include "i2crc/weights/name_map.h"

namespace i2crc {
namespace {

bool IsCounter(const std::string& name) { return name.ends_with("num_batches_tracked"); }

void CopyInto(at::Tensor target, const Tensor& source, const std::string& name,
              const std::string& file) {
  const std::vector<int64_t> shape(target.sizes().begin(), target.sizes().end());
  // A counter stored as [1] by old versions of PyTorch is still one number.
  if (shape != source.shape && !(IsCounter(name) && source.elements() == 1))
    Fail("{}: {} has shape {}, the network needs {}", file, name, ShapeText(source.shape),
         ShapeText(shape));
  target.copy_(ToTorch(source).reshape(target.sizes()));
}

struct Wanted {
  std::string name_in_file;
  std::string name_in_network;
  at::Tensor tensor;
};

// Copies every wanted tensor; names all that is missing or left over.
void Fill(const std::vector<Wanted>& wanted, const std::map<std::string, const Tensor*>& offered,
          const std::string& file) {
  const torch::NoGradGuard no_grad;
  std::set<std::string> used;
  for (const Wanted& item : wanted) {
    const auto found = offered.find(item.name_in_file);
    if (found == offered.end()) {
      if (IsCounter(item.name_in_file)) continue;
      Fail("{}: {} is missing (a checkpoint of another architecture?)", file, item.name_in_file);
    }
    used.insert(item.name_in_file);
    CopyInto(item.tensor, *found->second, item.name_in_file, file);
  }
  for (const auto& [name, tensor] : offered)
    if (!used.contains(name))
      Fail("{}: {} is not part of the network (a checkpoint of another architecture?)", file, name);
}

}  // namespace

at::Tensor ToTorch(const Tensor& tensor) {
  if (tensor.dtype == DType::kI64) {
    at::Tensor result = torch::empty(tensor.shape, torch::kLong);
    std::memcpy(result.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
    return result;
  }
  const std::vector<float> values = tensor.ToF32();
  at::Tensor result = torch::empty(tensor.shape, torch::kFloat);
  std::memcpy(result.data_ptr(), values.data(), values.size() * sizeof(float));
  return result;
}

Tensor FromTorch(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.detach().to(at::kCPU).contiguous();
  Tensor result;
  result.shape.assign(dense.sizes().begin(), dense.sizes().end());
  switch (dense.scalar_type()) {
    case at::kFloat:
      result.dtype = DType::kF32;
      break;
    case at::kLong:
      result.dtype = DType::kI64;
      break;
    default:
      throw InternalError("a state holds f32 and i64 only");
  }
  result.bytes.resize(dense.nbytes());
  std::memcpy(result.bytes.data(), dense.data_ptr(), result.bytes.size());
  return result;
}

void LoadBackbone(Network& network, TensorMap weights, const std::string& file) {
  StripModulePrefix(weights, file);
  std::map<std::string, const Tensor*> offered;
  for (const auto& [name, tensor] : weights.items())
    if (!name.starts_with("fc.") && !name.starts_with("classifier.")) offered[name] = &tensor;
  // torchvision's VGG16 calls its convolutions `features.N` itself.
  const bool vgg = network.spec().arch.ends_with("vgg16");
  const std::string prefix = network.BackbonePrefix();
  std::vector<Wanted> wanted;
  for (const auto& [name, tensor] : network.State()) {
    if (network.IsHead(name)) continue;
    ENSURE(name.starts_with(prefix), "{} does not begin with {}", name, prefix);
    const std::string inner = name.substr(prefix.size());
    wanted.push_back({vgg ? "features." + inner : inner, name, tensor});
  }
  Fill(wanted, offered, file);
}

void LoadState(Network& network, const TensorMap& weights, const std::string& file) {
  std::map<std::string, const Tensor*> offered;
  for (const auto& [name, tensor] : weights.items()) offered[name] = &tensor;
  std::vector<Wanted> wanted;
  for (const auto& [name, tensor] : network.State()) wanted.push_back({name, name, tensor});
  Fill(wanted, offered, file);
}

TensorMap SaveState(Network& network) {
  TensorMap state;
  for (const auto& [name, tensor] : network.State()) state.Add(name, FromTorch(tensor));
  return state;
}

}  // namespace i2crc
