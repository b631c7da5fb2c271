// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "i2crc/weights/tensor.h"

namespace i2crc::testing {

// Writes pickles of protocol 2 opcode by opcode, in the way of CPython's pickler: texts, globals
// and containers are remembered by BINPUT, and a text or global that was written before is fetched
// by BINGET.
class PickleEmitter {
 public:
  PickleEmitter();

  PickleEmitter& None() { return Raw("N"); }
  PickleEmitter& Bool(bool value) { return Raw(value ? "\x88" : "\x89"); }
  PickleEmitter& Int(int64_t value);
  PickleEmitter& Float(double value);
  PickleEmitter& Text(const std::string& text);
  PickleEmitter& Global(const std::string& module, const std::string& name);
  PickleEmitter& EmptyTuple() { return Raw(")"); }
  PickleEmitter& EmptyDict() { return Raw("}").Remember(); }
  PickleEmitter& EmptyList() { return Raw("]").Remember(); }
  PickleEmitter& OrderedDict();
  PickleEmitter& Mark() { return Raw("("); }
  PickleEmitter& Tuple() { return Raw("t").Remember(); }  // of all since Mark()
  PickleEmitter& IntTuple(const std::vector<int64_t>& values);
  PickleEmitter& Appends() { return Raw("e"); }
  PickleEmitter& SetItem() { return Raw("s"); }
  PickleEmitter& SetItems() { return Raw("u"); }
  PickleEmitter& PersistentId() { return Raw("Q"); }
  PickleEmitter& Reduce() { return Raw("R").Remember(); }
  PickleEmitter& Build() { return Raw("b"); }
  PickleEmitter& Raw(std::string_view opcodes);

  // The pickle so far with its STOP.
  std::string Finish() const { return bytes_ + "."; }

 private:
  PickleEmitter& Remember();
  bool Recall(const std::string& what);

  std::string bytes_;
  uint32_t remembered_ = 0;
  std::map<std::string, uint32_t> known_;
};

// A checkpoint as torch.save writes it, made without PyTorch. It checks nothing, so it can make
// wrong ones too.
class TorchFileBuilder {
 public:
  struct Storage {
    DType dtype = DType::kF32;
    std::string bytes;
    int64_t elements = 0;  // as the pickle claims
  };
  struct View {
    std::string name;
    size_t storage = 0;
    int64_t offset = 0;
    std::vector<int64_t> shape;
    std::vector<int64_t> strides;
  };

  // In front of every name: "module." where torch.nn.DataParallel was used.
  std::string prefix;
  // {"epoch": 7, "global_counter": 123, "state_dict": …, "optimizer": …} instead of the bare state
  // dict; the optimizer holds a momentum tensor for each view.
  bool with_optimizer = false;
  // Each tensor as a torch.nn.Parameter.
  bool as_parameters = false;
  // Where the storages were: "cpu", "cuda:0".
  std::string location = "cpu";

  // A tensor in a storage of its own.
  TorchFileBuilder& Add(const std::string& name, const Tensor& tensor);
  TorchFileBuilder& Add(const TensorMap& tensors);
  size_t AddStorage(const Tensor& values);
  TorchFileBuilder& AddView(View view);
  std::vector<Storage>& storages() { return storages_; }

  enum class Compression { kStored, kDeflated };
  std::string Zip(Compression compression = Compression::kStored) const;
  std::string Legacy() const;

 private:
  enum class Format { kZip, kLegacy };
  std::string ObjectPickle(Format format) const;
  void EmitTensor(PickleEmitter& out, Format format, const View& view, size_t storage) const;
  void EmitStateDict(PickleEmitter& out, Format format) const;
  void EmitOptimizer(PickleEmitter& out, Format format) const;
  // The storages, then with an optimizer one of zeros for each view.
  std::vector<Storage> AllStorages() const;

  std::vector<Storage> storages_;
  std::vector<View> views_;
};

// A zip archive of these entries in this order, deterministic.
std::string ZipBytes(
    const std::vector<std::pair<std::string, std::string>>& entries,
    TorchFileBuilder::Compression compression = TorchFileBuilder::Compression::kStored);

// The three pickles at the start of a legacy file: magic number, protocol version, facts about the
// machine.
std::string LegacyHeader(bool little_endian = true);

}  // namespace i2crc::testing
