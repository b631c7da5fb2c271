// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/pickle_globals.h"

#include <map>

#include "i2crc/core/error.h"

namespace i2crc {
namespace {

const std::map<std::string, DType>& StorageClasses() {
  static const std::map<std::string, DType> classes = {
      {"torch.DoubleStorage", DType::kF64}, {"torch.FloatStorage", DType::kF32},
      {"torch.HalfStorage", DType::kF16},   {"torch.BFloat16Storage", DType::kBF16},
      {"torch.LongStorage", DType::kI64},   {"torch.IntStorage", DType::kI32},
      {"torch.ShortStorage", DType::kI16},  {"torch.CharStorage", DType::kI8},
      {"torch.ByteStorage", DType::kU8},    {"torch.BoolStorage", DType::kBool},
  };
  return classes;
}

const std::map<std::string, GlobalKind>& Allowed() {
  static const std::map<std::string, GlobalKind> allowed = [] {
    std::map<std::string, GlobalKind> globals = {
        {"collections.OrderedDict", GlobalKind::kDict},
        // The milestones of a learning rate schedule.
        {"collections.Counter", GlobalKind::kDict},
        {"torch.Size", GlobalKind::kSize},
        {"torch._utils._rebuild_parameter", GlobalKind::kParameter},
        {"torch._utils._rebuild_parameter_with_state", GlobalKind::kParameter},
        // Around the dictionary of torch::pickle_save in C++: the value, and its type as a text.
        {"torch.jit._pickle.restore_type_tag", GlobalKind::kParameter},
        {"torch._utils._rebuild_tensor", GlobalKind::kFunction},
        {"torch._utils._rebuild_tensor_v2", GlobalKind::kFunction},
        {"torch.device", GlobalKind::kFunction},
        // Scalars of NumPy, such as a step counter, and the bytes in them.
        {"numpy.core.multiarray.scalar", GlobalKind::kFunction},
        {"numpy._core.multiarray.scalar", GlobalKind::kFunction},
        {"numpy.dtype", GlobalKind::kFunction},
        {"_codecs.encode", GlobalKind::kFunction},
    };
    for (const char* module : {"builtins.", "__builtin__."})
      for (const char* name : {"set", "frozenset", "bytearray", "complex"})
        globals[std::string(module) + name] = GlobalKind::kFunction;
    for (const auto& [name, dtype] : StorageClasses()) globals[name] = GlobalKind::kNotCallable;
    // torch.float32 and its like, as a value.
    for (const char* name : {"float64", "float32", "float16", "bfloat16", "int64", "int32", "int16",
                             "int8", "uint8", "bool"})
      globals[std::string("torch.") + name] = GlobalKind::kNotCallable;
    return globals;
  }();
  return allowed;
}

}  // namespace

bool IsAllowedGlobal(const std::string& module, const std::string& name) {
  // A dot in the name would reach attributes of another object ("torch", "_utils._rebuild_tensor").
  return name.find('.') == std::string::npos && Allowed().count(module + "." + name) > 0;
}

GlobalKind KindOfGlobal(const std::string& global) {
  const auto found = Allowed().find(global);
  ENSURE(found != Allowed().end(), "global {}", global);
  return found->second;
}

std::optional<DType> StorageDType(const std::string& global) {
  const auto found = StorageClasses().find(global);
  if (found == StorageClasses().end()) return std::nullopt;
  return found->second;
}

}  // namespace i2crc
