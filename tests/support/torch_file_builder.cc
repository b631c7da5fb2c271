// SPDX-License-Identifier: Apache-2.0
#include "support/torch_file_builder.h"

#include <zip.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace i2crc::testing {
namespace {

template <typename T>
std::string LittleEndian(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

const char* StorageClass(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "DoubleStorage";
    case DType::kF32:
      return "FloatStorage";
    case DType::kF16:
      return "HalfStorage";
    case DType::kBF16:
      return "BFloat16Storage";
    case DType::kI64:
      return "LongStorage";
    case DType::kI32:
      return "IntStorage";
    case DType::kI16:
      return "ShortStorage";
    case DType::kI8:
      return "CharStorage";
    case DType::kU8:
      return "ByteStorage";
    case DType::kBool:
      return "BoolStorage";
  }
  throw std::logic_error("dtype");
}

std::vector<int64_t> DenseStrides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  return strides;
}

// Memory addresses in real files, of the same look but always the same here.
std::string LegacyKey(size_t storage) { return std::to_string(94'000'000'000'000 + 64 * storage); }

[[noreturn]] void ThrowZip(const char* what) {
  throw std::runtime_error(std::string("cannot build a zip archive: ") + what);
}

}  // namespace

PickleEmitter::PickleEmitter() : bytes_("\x80\x02") {}

PickleEmitter& PickleEmitter::Raw(std::string_view opcodes) {
  bytes_ += opcodes;
  return *this;
}

PickleEmitter& PickleEmitter::Remember() {
  const uint32_t number = remembered_++;
  return number < 256 ? Raw("q").Raw(LittleEndian(static_cast<uint8_t>(number)))
                      : Raw("r").Raw(LittleEndian(number));
}

bool PickleEmitter::Recall(const std::string& what) {
  const auto [known, is_new] = known_.emplace(what, remembered_);
  if (is_new) return false;
  if (known->second < 256)
    Raw("h").Raw(LittleEndian(static_cast<uint8_t>(known->second)));
  else
    Raw("j").Raw(LittleEndian(known->second));
  return true;
}

PickleEmitter& PickleEmitter::Int(int64_t value) {
  if (value >= 0 && value < 256) return Raw("K").Raw(LittleEndian(static_cast<uint8_t>(value)));
  if (value >= 0 && value < 65536) return Raw("M").Raw(LittleEndian(static_cast<uint16_t>(value)));
  if (value >= INT32_MIN && value <= INT32_MAX)
    return Raw("J").Raw(LittleEndian(static_cast<int32_t>(value)));
  return Raw("\x8a\x08").Raw(LittleEndian(value));
}

PickleEmitter& PickleEmitter::Float(double value) {
  std::string bytes = LittleEndian(value);
  std::reverse(bytes.begin(), bytes.end());
  return Raw("G").Raw(bytes);
}

PickleEmitter& PickleEmitter::Text(const std::string& text) {
  if (Recall("text " + text)) return *this;
  return Raw("X").Raw(LittleEndian(static_cast<uint32_t>(text.size()))).Raw(text).Remember();
}

PickleEmitter& PickleEmitter::Global(const std::string& module, const std::string& name) {
  if (Recall("global " + module + "\n" + name)) return *this;
  return Raw("c").Raw(module + "\n" + name + "\n").Remember();
}

PickleEmitter& PickleEmitter::OrderedDict() {
  return Global("collections", "OrderedDict").EmptyTuple().Reduce();
}

PickleEmitter& PickleEmitter::IntTuple(const std::vector<int64_t>& values) {
  if (values.empty()) return EmptyTuple();
  if (values.size() > 3) Mark();
  for (const int64_t value : values) Int(value);
  if (values.size() > 3) return Tuple();
  const char opcode = static_cast<char>(0x84 + static_cast<int>(values.size()));
  return Raw({&opcode, 1}).Remember();
}

TorchFileBuilder& TorchFileBuilder::Add(const std::string& name, const Tensor& tensor) {
  return AddView({name, AddStorage(tensor), 0, tensor.shape, DenseStrides(tensor.shape)});
}

TorchFileBuilder& TorchFileBuilder::Add(const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors.items()) Add(name, tensor);
  return *this;
}

size_t TorchFileBuilder::AddStorage(const Tensor& values) {
  Storage storage{values.dtype, std::string(values.bytes.size(), '\0'), values.elements()};
  if (!values.bytes.empty())
    std::memcpy(storage.bytes.data(), values.bytes.data(), values.bytes.size());
  storages_.push_back(std::move(storage));
  return storages_.size() - 1;
}

TorchFileBuilder& TorchFileBuilder::AddView(View view) {
  views_.push_back(std::move(view));
  return *this;
}

std::vector<TorchFileBuilder::Storage> TorchFileBuilder::AllStorages() const {
  std::vector<Storage> all = storages_;
  if (!with_optimizer) return all;
  for (const View& view : views_) {
    Storage momentum = storages_[view.storage];
    std::fill(momentum.bytes.begin(), momentum.bytes.end(), '\0');
    all.push_back(std::move(momentum));
  }
  return all;
}

void TorchFileBuilder::EmitTensor(PickleEmitter& out, Format format, const View& view,
                                  size_t storage) const {
  const Storage& described = storages_[view.storage];  // that of a momentum is alike
  if (as_parameters) out.Global("torch._utils", "_rebuild_parameter").Mark();
  out.Global("torch._utils", "_rebuild_tensor_v2").Mark().Mark();
  out.Text("storage").Global("torch", StorageClass(described.dtype));
  out.Text(format == Format::kZip ? std::to_string(storage) : LegacyKey(storage));
  out.Text(location).Int(described.elements);
  if (format == Format::kLegacy) out.None();  // no view of another storage
  out.Tuple().PersistentId();
  out.Int(view.offset).IntTuple(view.shape).IntTuple(view.strides).Bool(false).OrderedDict();
  out.Tuple().Reduce();
  if (as_parameters) out.Bool(true).OrderedDict().Tuple().Reduce();
}

void TorchFileBuilder::EmitStateDict(PickleEmitter& out, Format format) const {
  constexpr size_t kBatch = 1000;  // CPython's
  out.OrderedDict();
  for (size_t begin = 0; begin < views_.size(); begin += kBatch) {
    out.Mark();
    for (size_t i = begin; i < std::min(begin + kBatch, views_.size()); ++i) {
      out.Text(prefix + views_[i].name);
      EmitTensor(out, format, views_[i], views_[i].storage);
    }
    out.SetItems();
  }
  // Attributes of the dictionary: the versions of its modules.
  out.EmptyDict().Text("_metadata").OrderedDict();
  out.Text("").EmptyDict().Text("version").Int(1).SetItem().SetItem();
  out.SetItem().Build();
}

void TorchFileBuilder::EmitOptimizer(PickleEmitter& out, Format format) const {
  out.EmptyDict().Mark().Text("state").EmptyDict().Mark();
  for (size_t i = 0; i < views_.size(); ++i) {
    out.Int(static_cast<int64_t>(i)).EmptyDict().Text("momentum_buffer");
    EmitTensor(out, format, views_[i], storages_.size() + i);
    out.SetItem();
  }
  out.SetItems().Text("param_groups").EmptyList().Mark().EmptyDict().Mark();
  out.Text("lr").Float(0.001).Text("momentum").Float(0.9).Text("dampening").Int(0);
  out.Text("weight_decay").Float(5e-4).Text("nesterov").Bool(true);
  out.Text("params").EmptyList().Mark();
  for (size_t i = 0; i < views_.size(); ++i) out.Int(static_cast<int64_t>(i));
  out.Appends().SetItems().Appends().SetItems();
}

std::string TorchFileBuilder::ObjectPickle(Format format) const {
  PickleEmitter out;
  if (!with_optimizer) {
    EmitStateDict(out, format);
    return out.Finish();
  }
  out.EmptyDict().Mark().Text("epoch").Int(7).Text("global_counter").Int(123).Text("state_dict");
  EmitStateDict(out, format);
  out.Text("optimizer");
  EmitOptimizer(out, format);
  return out.SetItems().Finish();
}

std::string TorchFileBuilder::Zip(Compression compression) const {
  std::vector<std::pair<std::string, std::string>> entries;
  entries.emplace_back("archive/data.pkl", ObjectPickle(Format::kZip));
  entries.emplace_back("archive/byteorder", "little");
  const std::vector<Storage> all = AllStorages();
  for (size_t i = 0; i < all.size(); ++i)
    entries.emplace_back("archive/data/" + std::to_string(i), all[i].bytes);
  entries.emplace_back("archive/version", "3\n");
  return ZipBytes(entries, compression);
}

std::string TorchFileBuilder::Legacy() const {
  std::string bytes = LegacyHeader() + ObjectPickle(Format::kLegacy);
  const std::vector<Storage> all = AllStorages();
  PickleEmitter keys;
  keys.EmptyList().Mark();
  for (size_t i = 0; i < all.size(); ++i) keys.Text(LegacyKey(i));
  bytes += keys.Appends().Finish();
  for (const Storage& storage : all) bytes += LittleEndian(storage.elements) + storage.bytes;
  return bytes;
}

std::string LegacyHeader(bool little_endian) {
  const std::string magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  PickleEmitter machine;
  machine.EmptyDict().Mark();
  machine.Text("protocol_version").Int(1001).Text("little_endian").Bool(little_endian);
  machine.Text("type_sizes").EmptyDict().Mark();
  machine.Text("short").Int(2).Text("int").Int(4).Text("long").Int(4).SetItems().SetItems();
  return PickleEmitter().Raw(magic).Finish() + PickleEmitter().Int(1001).Finish() +
         machine.Finish();
}

std::string ZipBytes(const std::vector<std::pair<std::string, std::string>>& entries,
                     TorchFileBuilder::Compression compression) {
  zip_source_t* memory = zip_source_buffer_create(nullptr, 0, 0, nullptr);
  if (memory == nullptr) ThrowZip("no memory");
  zip_source_keep(memory);  // closing the archive lets go of it once
  zip_t* archive = zip_open_from_source(memory, ZIP_TRUNCATE, nullptr);
  if (archive == nullptr) ThrowZip("open");
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) ThrowZip(zip_strerror(archive));
    const auto entry = static_cast<zip_uint64_t>(index);
    const bool stored = compression == TorchFileBuilder::Compression::kStored;
    zip_set_file_compression(archive, entry, stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 0);
    zip_file_set_dostime(archive, entry, 0, 0x21, 0);  // the first of January 1980
  }
  if (zip_close(archive) != 0) ThrowZip(zip_strerror(archive));

  std::string result;
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_source_open(memory) != 0 || zip_source_stat(memory, &status) != 0) ThrowZip("read");
  result.resize(status.size);
  if (zip_source_read(memory, result.data(), result.size()) !=
      static_cast<zip_int64_t>(result.size()))
    ThrowZip("read");
  zip_source_close(memory);
  zip_source_free(memory);
  return result;
}

}  // namespace i2crc::testing
