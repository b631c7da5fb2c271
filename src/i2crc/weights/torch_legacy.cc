// SPDX-License-Identifier: Apache-2.0
// torch.save before PyTorch 1.6: pickles of a magic number, the protocol version 1001, facts about
// the machine, the object itself and the list of storage keys; then for each key the number of
// values (i64) and the values.
#include <map>

#include "i2crc/core/error.h"
#include "i2crc/weights/checked.h"
#include "i2crc/weights/pickle.h"
#include "i2crc/weights/readers.h"
#include "i2crc/weights/tensor_file.h"
#include "i2crc/weights/torch_state.h"

namespace i2crc {
namespace {

// 0x1950a86a20f9469cfc6c
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kProtocol = 1001;

using Kind = Pickle::Kind;

class LegacyReader {
 public:
  LegacyReader(std::span<const uint8_t> bytes, const std::string& file)
      : bytes_(bytes), file_(file) {}

  TensorMap Read(ReadWhat what) {
    CheckHeader();
    const TorchState state = ReadTorchState(NextPickle(), file_);
    const auto places = FindStorages(state);
    const auto load = [&](const std::string& key) {
      const auto values = std::as_bytes(places.at(key));
      return std::vector<std::byte>(values.begin(), values.end());
    };
    return MakeTensors(state, what, load, bytes_.size(), file_);
  }

 private:
  std::span<const uint8_t> Rest() const { return bytes_.subspan(position_); }

  Pickle NextPickle() {
    Pickle pickle(Rest(), file_);
    position_ += pickle.size();
    return pickle;
  }

  void CheckHeader() {
    const Pickle magic = NextPickle();
    if (magic.root().kind != Kind::kLong || magic.root().text != kMagic)
      Fail("{}: a pickle, but none that torch.save wrote", file_);
    const Pickle protocol = NextPickle();
    if (protocol.root().kind != Kind::kInt || protocol.root().integer != kProtocol)
      Fail("{}: PyTorch's legacy format in another version than {}", file_, kProtocol);
    const Pickle machine = NextPickle();
    const Pickle::Node& facts = machine.root();
    if (facts.kind != Kind::kDict) Fail("{}: damaged: no facts about its machine", file_);
    for (size_t i = 0; i + 1 < facts.items.size(); i += 2) {
      const Pickle::Node& value = machine.at(facts.items[i + 1]);
      if (machine.at(facts.items[i]).text == "little_endian" &&
          (value.kind != Kind::kBool || value.integer != 1))
        Fail("{}: big-endian values are not supported", file_);
    }
  }

  // Where the values of each storage stand; all the file must be used.
  std::map<std::string, std::span<const uint8_t>> FindStorages(const TorchState& state) {
    const Pickle keys = NextPickle();
    if (keys.root().kind != Kind::kList && keys.root().kind != Kind::kTuple)
      Fail("{}: damaged: no list of storages", file_);
    std::map<std::string, std::span<const uint8_t>> places;
    for (const Pickle::Ref ref : keys.root().items) {
      const Pickle::Node& key = keys.at(ref);
      const auto storage = state.storages.find(key.text);
      if (key.kind != Kind::kText || storage == state.storages.end())
        Fail("{}: damaged: storage {} belongs to no tensor", file_, QuotedName(key.text));
      const auto [place, is_new] = places.emplace(key.text, TakeStorage(*storage));
      if (!is_new) Fail("{}: storage {} occurs twice", file_, QuotedName(key.text));
    }
    for (const auto& [key, storage] : state.storages)
      if (places.count(key) == 0) Fail("{}: storage {} is missing", file_, QuotedName(key));
    if (!Rest().empty()) Fail("{}: {} bytes too many at the end", file_, Rest().size());
    return places;
  }

  std::span<const uint8_t> TakeStorage(const std::pair<const std::string, TorchStorage>& named) {
    const auto& [key, storage] = named;
    if (Rest().size() < sizeof(int64_t))
      Fail("{}: truncated: storage {} is missing", file_, QuotedName(key));
    const auto elements = LoadLittleEndian<uint64_t>(Rest());
    if (elements != storage.elements)
      Fail("{}: storage {} has {} values instead of {}", file_, QuotedName(key), elements,
           storage.elements);
    position_ += sizeof(int64_t);
    if (storage.bytes() > Rest().size())
      Fail("{}: truncated: storage {} needs {} bytes, {} are left", file_, QuotedName(key),
           storage.bytes(), Rest().size());
    const auto values = Rest().first(storage.bytes());
    position_ += values.size();
    return values;
  }

  std::span<const uint8_t> bytes_;
  const std::string& file_;
  size_t position_ = 0;
};

}  // namespace

TensorMap ReadTorchLegacy(std::span<const uint8_t> bytes, const std::string& name, ReadWhat what) {
  return LegacyReader(bytes, name).Read(what);
}

TensorMap ParseTorchLegacy(std::span<const uint8_t> bytes, const std::string& name) {
  return ReadTorchLegacy(bytes, name, ReadWhat::kAll);
}

}  // namespace i2crc
