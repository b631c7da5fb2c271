// SPDX-License-Identifier: Apache-2.0
// Format: u64 header length, JSON {"NAME": {"dtype", "shape", "data_offsets": [begin, end]}, …,
// "__metadata__": {text: text}}, then the data, to which the offsets are relative
// (https://github.com/huggingface/safetensors).
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/weights/checked.h"
#include "i2crc/weights/readers.h"
#include "i2crc/weights/tensor_file.h"

namespace i2crc {
namespace {

constexpr const char* kMetadataKey = "__metadata__";

constexpr std::array kAllDTypes = {DType::kF64, DType::kF32, DType::kF16, DType::kBF16,
                                   DType::kI64, DType::kI32, DType::kI16, DType::kI8,
                                   DType::kU8,  DType::kBool};

struct Entry {
  std::string name;
  std::optional<DType> dtype;
  std::optional<std::vector<int64_t>> shape;
  std::optional<std::vector<int64_t>> offsets;
};

// Takes the header's JSON as it is parsed, so that nothing but what the format has is ever stored:
// no depth, no duplicate, no other type.
class HeaderSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderSax(const std::string& file) : file_(file) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return Unexpected("a number that is no 64-bit integer");
  }
  bool binary(binary_t&) override { return Unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ != State::kArray) return Unexpected("a number");
    if (value > static_cast<uint64_t>(INT64_MAX)) return Unexpected("a number above 2^63");
    if (array_->size() >= kMaxDimensions) return Unexpected("more than 64 numbers");
    array_->push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      if (!metadata.emplace(key_, value).second)
        Fail("{}: the metadata {} occurs twice", file_, QuotedName(key_));
      return true;
    }
    if (state_ != State::kEntry || field_ != "dtype") return Unexpected("a text");
    SetDType(value);
    return true;
  }

  bool start_object(size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      if (!names_.insert(key_).second)
        Fail("{}: {} occurs twice in the header", file_, QuotedName(key_));
      state_ = key_ == kMetadataKey ? State::kMetadata : State::kEntry;
      if (state_ == State::kEntry) StartEntry();
    } else {
      return Unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    (state_ == State::kEntry ? field_ : key_) = value;
    return true;
  }

  bool end_object() override {
    if (state_ == State::kEntry) {
      const Entry& entry = entries.back();
      if (!entry.dtype || !entry.shape || !entry.offsets)
        Fail("{}: tensor {} lacks its dtype, shape or data_offsets", file_, QuotedName(entry.name));
    }
    state_ = state_ == State::kTop ? State::kEnd : State::kTop;
    return true;
  }

  bool start_array(size_t) override {
    if (state_ != State::kEntry) return Unexpected("an array");
    Entry& entry = entries.back();
    auto* target = field_ == "shape"          ? &entry.shape
                   : field_ == "data_offsets" ? &entry.offsets
                                              : nullptr;
    if (target == nullptr || *target) return Unexpected("an array");
    array_ = &target->emplace();
    state_ = State::kArray;
    return true;
  }

  bool end_array() override {
    state_ = State::kEntry;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    Fail("{}: the safetensors header is no JSON (at its byte {})", file_, position);
  }

 private:
  enum class State { kStart, kTop, kMetadata, kEntry, kArray, kEnd };

  bool Unexpected(const char* what) const {
    if (state_ == State::kStart) Fail("{}: the safetensors header is no JSON object", file_);
    if (state_ == State::kMetadata)
      Fail("{}: the metadata {} is {} instead of a text", file_, QuotedName(key_), what);
    if (state_ == State::kTop)
      Fail("{}: {} is {} instead of a tensor's description", file_, QuotedName(key_), what);
    Fail("{}: the field {} of tensor {} is wrong or there twice: {} where it does not belong",
         file_, QuotedName(field_), QuotedName(key_), what);
  }

  void StartEntry() {
    CheckTensorName(key_, file_);
    if (entries.size() >= kMaxTensors) Fail("{}: more than {} tensors", file_, kMaxTensors);
    entries.push_back({key_, {}, {}, {}});
    field_.clear();
  }

  void SetDType(const std::string& text) {
    Entry& entry = entries.back();
    if (entry.dtype) Unexpected("a second dtype");
    for (const DType dtype : kAllDTypes)
      if (text == DTypeName(dtype)) entry.dtype = dtype;
    if (!entry.dtype)
      Fail("{}: tensor {} has the dtype {}, which is not supported", file_, QuotedName(entry.name),
           QuotedName(text));
  }

  const std::string& file_;
  State state_ = State::kStart;
  std::string key_;
  std::string field_;
  std::vector<int64_t>* array_ = nullptr;
  std::unordered_set<std::string> names_;
};

// Bytes of the tensor's data; throws where they disagree with its shape.
uint64_t CheckedLength(const Entry& entry, uint64_t data_bytes, const std::string& file) {
  if (entry.offsets->size() != 2)
    Fail("{}: data_offsets of tensor {} are not two numbers", file, QuotedName(entry.name));
  const auto begin = static_cast<uint64_t>((*entry.offsets)[0]);
  const auto end = static_cast<uint64_t>((*entry.offsets)[1]);
  if (begin > end) Fail("{}: tensor {} ends before it begins", file, QuotedName(entry.name));
  if (end > data_bytes)
    Fail("{}: tensor {} ends {} bytes behind the end of the file; the file is truncated or damaged",
         file, QuotedName(entry.name), end - data_bytes);
  const auto elements = CheckedElements(*entry.shape);
  const auto needed =
      elements ? CheckedProduct(*elements, ItemSize(*entry.dtype)) : std::optional<uint64_t>();
  if (!needed || *needed != end - begin)
    Fail("{}: tensor {} of shape {} {} has {} bytes", file, QuotedName(entry.name),
         ShapeText(*entry.shape), DTypeName(*entry.dtype), end - begin);
  return *needed;
}

// The tensors must cover the data without holes or overlaps.
void CheckCover(const std::vector<Entry>& entries, uint64_t data_bytes, const std::string& file) {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const Entry* a, const Entry* b) { return *a->offsets < *b->offsets; });
  int64_t covered = 0;
  for (const Entry* entry : sorted) {
    const int64_t begin = entry->offsets->front();
    if (begin < covered) Fail("{}: tensor {} overlaps another", file, QuotedName(entry->name));
    if (begin > covered)
      Fail("{}: {} unused bytes before tensor {}", file, begin - covered, QuotedName(entry->name));
    covered = entry->offsets->back();
  }
  if (static_cast<uint64_t>(covered) != data_bytes)
    Fail("{}: {} bytes too many at the end", file, data_bytes - static_cast<uint64_t>(covered));
}

std::span<const uint8_t> HeaderBytes(std::span<const uint8_t> bytes, const std::string& name) {
  if (bytes.size() < 8) Fail("{}: too short for a safetensors file, {} bytes", name, bytes.size());
  const auto length = LoadLittleEndian<uint64_t>(bytes);
  if (length > kMaxHeaderBytes)
    Fail("{}: no safetensors file, or damaged: a header of {} bytes", name, length);
  if (length > bytes.size() - 8)
    Fail("{}: truncated: a header of {} bytes in a file of {}", name, length, bytes.size());
  const auto header = bytes.subspan(8, length);
  if (header.empty() || header[0] != '{')
    Fail("{}: the safetensors header does not begin with {{", name);
  // The JSON parser takes NUL for the end.
  if (std::find(header.begin(), header.end(), 0) != header.end())
    Fail("{}: a NUL byte in the safetensors header", name);
  return header;
}

}  // namespace

TensorMap ReadSafetensors(std::span<const uint8_t> bytes, const std::string& name, ReadWhat what) {
  const auto header = HeaderBytes(bytes, name);
  const auto data = bytes.subspan(8 + header.size());
  HeaderSax sax(name);
  nlohmann::json::sax_parse(header.begin(), header.end(), &sax);
  for (const Entry& entry : sax.entries) CheckedLength(entry, data.size(), name);
  CheckCover(sax.entries, data.size(), name);

  TensorMap tensors;
  tensors.metadata = std::move(sax.metadata);
  for (Entry& entry : sax.entries) {
    Tensor tensor{*entry.dtype, std::move(*entry.shape), {}};
    if (what == ReadWhat::kAll) {
      const auto begin = static_cast<size_t>(entry.offsets->front());
      const auto values =
          std::as_bytes(data.subspan(begin, static_cast<size_t>(entry.offsets->back()) - begin));
      tensor.bytes.assign(values.begin(), values.end());
    }
    tensors.Add(std::move(entry.name), std::move(tensor));
  }
  return tensors;
}

TensorMap ParseSafetensors(std::span<const uint8_t> bytes, const std::string& name) {
  return ReadSafetensors(bytes, name, ReadWhat::kAll);
}

namespace {

std::string JsonText(const std::string& text, const std::string& file) {
  if (!IsPlainText(text))
    Fail("{}: cannot write {}: no UTF-8 text without NUL", file, QuotedName(text));
  return nlohmann::json(text).dump();
}

std::string HeaderText(const TensorMap& tensors, const std::string& file) {
  std::string header = "{";
  if (!tensors.metadata.empty()) {
    header += fmt::format("\"{}\":{{", kMetadataKey);
    for (const auto& [key, value] : tensors.metadata)
      header += JsonText(key, file) + ":" + JsonText(value, file) + ",";
    header.back() = '}';
    header += ',';
  }
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors.items()) {
    if (name == kMetadataKey) Fail("{}: no tensor can be named {}", file, name);
    CheckTensorName(name, file);
    ENSURE(tensor.bytes.size() == static_cast<size_t>(tensor.elements()) * ItemSize(tensor.dtype),
           "{} has {} bytes for the shape {}", name, tensor.bytes.size(), ShapeText(tensor.shape));
    const size_t end = offset + tensor.bytes.size();
    header += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}},",
                          JsonText(name, file), DTypeName(tensor.dtype), ShapeText(tensor.shape),
                          offset, end);
    offset = end;
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > kMaxHeaderBytes || tensors.size() > kMaxTensors)
    Fail("{}: too many tensors or too much metadata for a safetensors file", file);
  return header;
}

}  // namespace

void WriteSafetensors(const std::filesystem::path& path, const TensorMap& tensors, Flush flush) {
  const std::string header =
      WithMemoryFor(path.native(), [&] { return HeaderText(tensors, path.string()); });
  const auto length = static_cast<uint64_t>(header.size());
  AtomicFile file(path, flush);
  file.Write(std::as_bytes(std::span(&length, 1)));
  file.Write(header);
  for (const auto& [name, tensor] : tensors.items()) file.Write(tensor.bytes);
  file.Commit();
}

}  // namespace i2crc
