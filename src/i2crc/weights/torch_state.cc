// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/torch_state.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "i2crc/core/error.h"
#include "i2crc/weights/checked.h"
#include "i2crc/weights/pickle_globals.h"

namespace i2crc {
namespace {

using Node = Pickle::Node;
using Kind = Pickle::Kind;

constexpr size_t kMaxKeyBytes = 128;  // PyTorch's are numbers

// Number of the last element in its storage; what does not fit int64 is INT64_MAX, which no storage
// has.
uint64_t LastElement(uint64_t offset, const TorchTensor& tensor) {
  constexpr uint64_t kMax = INT64_MAX;
  uint64_t last = offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const auto step = CheckedProduct(static_cast<uint64_t>(tensor.shape[i] - 1),
                                     static_cast<uint64_t>(tensor.strides[i]));
    last = CheckedSum(last, step.value_or(kMax)).value_or(kMax);
  }
  return last;
}

class StateReader {
 public:
  StateReader(const Pickle& pickle, const std::string& file) : pickle_(pickle), file_(file) {}

  TorchState Read() {
    // Wherever they are, and before any is used.
    for (const Node& node : pickle_.nodes())
      if (node.kind == Kind::kPersistent) ReadStorage(node);
    for (const Node& node : pickle_.nodes())
      if (IsTensor(node)) ReadTensor(node);
    const Node& root = pickle_.root();
    if (IsTensor(root)) Fail("{}: holds a single tensor instead of a state dict", file_);
    if (root.kind != Kind::kDict) Fail("{}: holds no dictionary, so no state dict", file_);
    ReadMetadata(root);
    ReadDict(StateDict(root));
    if (state_.tensors.empty()) Fail("{}: no tensor in its state dict", file_);
    return std::move(state_);
  }

 private:
  static bool IsTensor(const Node& node) {
    return node.kind == Kind::kCall && (node.text == "torch._utils._rebuild_tensor_v2" ||
                                        node.text == "torch._utils._rebuild_tensor");
  }

  const Node& Item(const Node& node, size_t i) const { return pickle_.at(node.items[i]); }

  // A number that counts something.
  uint64_t Count(const Node& node, const char* what) const {
    if (node.kind != Kind::kInt || node.integer < 0)
      Fail("{}: {} of a tensor is no number from 0", file_, what);
    return static_cast<uint64_t>(node.integer);
  }

  std::vector<int64_t> Counts(const Node& node, const char* what) const {
    if (node.kind != Kind::kTuple && node.kind != Kind::kList)
      Fail("{}: the {} of a tensor is no tuple", file_, what);
    if (node.items.size() > kMaxDimensions)
      Fail("{}: a tensor of {} dimensions, more than {}", file_, node.items.size(), kMaxDimensions);
    std::vector<int64_t> counts;
    for (size_t i = 0; i < node.items.size(); ++i)
      counts.push_back(static_cast<int64_t>(Count(Item(node, i), what)));
    return counts;
  }

  struct StorageWindow {
    std::string key;
    DType dtype;
    uint64_t first = 0;  // in elements
    uint64_t elements = 0;
  };

  // ("storage", torch.FloatStorage, KEY, LOCATION, ELEMENTS), in the legacy format with a sixth
  // that is None or (KEY OF THE VIEW, FIRST, ELEMENTS).
  StorageWindow Window(const Node& node) const {
    const Node& id = Item(node, 0);
    if (id.kind != Kind::kTuple || id.items.size() < 5 || id.items.size() > 6 ||
        Item(id, 0).kind != Kind::kText || Item(id, 0).text != "storage" ||
        Item(id, 1).kind != Kind::kGlobal || Item(id, 2).kind != Kind::kText)
      Fail("{}: a reference in its pickle that is none to a storage", file_);
    const std::optional<DType> dtype = StorageDType(Item(id, 1).text);
    if (!dtype) Fail("{}: {} is no storage class", file_, Item(id, 1).text);
    StorageWindow window{Item(id, 2).text, *dtype, 0, Count(Item(id, 4), "the storage size")};
    if (window.key.size() > kMaxKeyBytes)
      Fail("{}: a storage's key has {} bytes", file_, window.key.size());
    if (!CheckedProduct(window.elements, ItemSize(*dtype)))
      Fail("{}: storage {} claims {} values", file_, QuotedName(window.key), window.elements);
    if (id.items.size() == 6 && Item(id, 5).kind != Kind::kNone) {
      const Node& view = Item(id, 5);
      if (view.kind != Kind::kTuple || view.items.size() != 3)
        Fail("{}: storage {} has a damaged view", file_, QuotedName(window.key));
      const uint64_t first = Count(Item(view, 1), "the storage offset");
      const uint64_t elements = Count(Item(view, 2), "the storage size");
      if (first > window.elements || elements > window.elements - first)
        Fail("{}: a view outside storage {}", file_, QuotedName(window.key));
      window.first = first;
      window.elements = elements;
    }
    return window;
  }

  void ReadStorage(const Node& node) {
    const StorageWindow window = Window(node);
    const uint64_t all = Count(Item(Item(node, 0), 4), "the storage size");
    const auto [found, is_new] =
        state_.storages.emplace(window.key, TorchStorage{window.dtype, all});
    if (!is_new && (found->second.dtype != window.dtype || found->second.elements != all))
      Fail("{}: storage {} is described in two ways", file_, QuotedName(window.key));
    if (state_.storages.size() > kMaxTensors) Fail("{}: more than {} storages", file_, kMaxTensors);
  }

  // (STORAGE, OFFSET, SHAPE, STRIDES, …); what follows belongs to gradients.
  TorchTensor ReadTensor(const Node& node) const {
    if (node.items.size() < 4 || Item(node, 0).kind != Kind::kPersistent)
      Fail("{}: a tensor without its storage", file_);
    const StorageWindow window = Window(Item(node, 0));
    TorchTensor tensor;
    tensor.storage = window.key;
    tensor.shape = Counts(Item(node, 2), "shape");
    tensor.strides = Counts(Item(node, 3), "strides");
    const uint64_t offset = Count(Item(node, 1), "the offset");
    if (tensor.shape.size() != tensor.strides.size())
      Fail("{}: a tensor of shape {} with {} strides", file_, ShapeText(tensor.shape),
           tensor.strides.size());
    const auto elements = CheckedElements(tensor.shape);
    if (!elements || !CheckedProduct(*elements, ItemSize(window.dtype)))
      Fail("{}: a tensor of shape {}", file_, ShapeText(tensor.shape));
    if (*elements > 0 && LastElement(offset, tensor) >= window.elements)
      Fail("{}: a tensor of shape {}, strides {}, offset {} leaves its storage {} of {} values",
           file_, ShapeText(tensor.shape), ShapeText(tensor.strides), offset,
           QuotedName(window.key), window.elements);
    // An empty tensor has no element, wherever its offset points.
    tensor.offset = *elements > 0 ? window.first + offset : 0;
    return tensor;
  }

  const Node& StateDict(const Node& root) const {
    for (const char* name : {"state_dict", "model"})
      for (size_t i = 0; i + 1 < root.items.size(); i += 2)
        if (Item(root, i).kind == Kind::kText && Item(root, i).text == name &&
            Item(root, i + 1).kind == Kind::kDict)
          return Item(root, i + 1);
    return root;
  }

  void ReadDict(const Node& dict) {
    std::unordered_set<std::string> names;
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Node& key = Item(dict, i);
      const Node& value = Item(dict, i + 1);
      if (!IsTensor(value)) continue;
      if (key.kind != Kind::kText) Fail("{}: a tensor whose name is no text", file_);
      CheckTensorName(key.text, file_);
      if (!names.insert(key.text).second)
        Fail("{}: tensor {} occurs twice", file_, QuotedName(key.text));
      if (names.size() > kMaxTensors) Fail("{}: more than {} tensors", file_, kMaxTensors);
      state_.tensors.emplace_back(key.text, ReadTensor(value));
    }
  }

  // Numbers and texts beside the state dict, such as the epoch.
  void ReadMetadata(const Node& root) {
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const Node& key = Item(root, i);
      const Node& value = Item(root, i + 1);
      if (key.kind != Kind::kText || !IsPlainText(key.text)) continue;
      if (value.kind == Kind::kInt)
        AddMetadata(key.text, fmt::format("{}", value.integer));
      else if (value.kind == Kind::kFloat)
        AddMetadata(key.text, fmt::format("{}", value.real));
      else if (value.kind == Kind::kBool)
        AddMetadata(key.text, value.integer != 0 ? "true" : "false");
      else if (value.kind == Kind::kText && IsPlainText(value.text))
        AddMetadata(key.text, value.text);
    }
  }

  void AddMetadata(const std::string& key, const std::string& value) {
    // Many keys may share one long text.
    metadata_bytes_ += key.size() + value.size();
    if (metadata_bytes_ > kMaxHeaderBytes)
      Fail("{}: more than {} bytes of texts beside its tensors", file_, kMaxHeaderBytes);
    state_.metadata[key] = value;
  }

  const Pickle& pickle_;
  const std::string& file_;
  TorchState state_;
  uint64_t metadata_bytes_ = 0;
};

// Copies a strided view row by row. Every index was checked when the tensor was read.
void CopyStrided(const TorchTensor& tensor, size_t item, std::span<const std::byte> storage,
                 std::vector<std::byte>& dense) {
  const size_t dimensions = tensor.shape.size();
  const size_t row = dimensions == 0 ? 1 : static_cast<size_t>(tensor.shape.back());
  const size_t step = dimensions == 0 ? 1 : static_cast<size_t>(tensor.strides.back());
  std::vector<int64_t> index(dimensions, 0);
  size_t from = tensor.offset;
  for (size_t to = 0; to < dense.size(); to += row * item) {
    if (step == 1) {
      std::memcpy(dense.data() + to, storage.data() + from * item, row * item);
    } else {
      for (size_t i = 0; i < row; ++i)
        std::memcpy(dense.data() + to + i * item, storage.data() + (from + i * step) * item, item);
    }
    // The next row: the last but one index counts fastest.
    for (size_t d = dimensions < 2 ? 0 : dimensions - 1; d-- > 0;) {
      const auto stride = static_cast<size_t>(tensor.strides[d]);
      from += stride;
      if (++index[d] < tensor.shape[d]) break;
      from -= stride * static_cast<size_t>(tensor.shape[d]);
      index[d] = 0;
    }
  }
}

}  // namespace

TorchState ReadTorchState(const Pickle& pickle, const std::string& file) {
  return StateReader(pickle, file).Read();
}

Tensor MakeDense(const TorchTensor& tensor, DType dtype, std::span<const std::byte> storage) {
  Tensor result{dtype, tensor.shape, {}};
  result.bytes.resize(static_cast<size_t>(result.elements()) * ItemSize(dtype));
  if (!result.bytes.empty()) CopyStrided(tensor, ItemSize(dtype), storage, result.bytes);
  return result;
}

TensorMap MakeTensors(const TorchState& state, ReadWhat what, const LoadStorage& load,
                      size_t file_bytes, const std::string& file) {
  // Storages that are loaded count as well: a deflated one may be larger than its file.
  uint64_t unfolded = 0;
  const uint64_t limit = MaxUnfoldedBytes(file_bytes);
  const auto charge = [&](uint64_t bytes) {
    unfolded = CheckedSum(unfolded, bytes).value_or(UINT64_MAX);
    if (unfolded > limit)
      Fail("{}: its tensors unfold to more than {} bytes, far beyond the file's own {}", file,
           limit, file_bytes);
  };
  std::map<std::string, size_t> uses;
  for (const auto& [name, tensor] : state.tensors) {
    const TorchStorage& storage = state.storages.at(tensor.storage);
    if (uses[tensor.storage]++ == 0) charge(storage.bytes());
    charge(*CheckedElements(tensor.shape) * ItemSize(storage.dtype));
  }

  TensorMap tensors;
  tensors.metadata = state.metadata;
  std::map<std::string, std::vector<std::byte>> loaded;
  for (const auto& [name, tensor] : state.tensors) {
    const TorchStorage& storage = state.storages.at(tensor.storage);
    if (what == ReadWhat::kHeaders) {
      tensors.Add(name, {storage.dtype, tensor.shape, {}});
      continue;
    }
    const auto [found, is_new] = loaded.try_emplace(tensor.storage);
    if (is_new) found->second = load(tensor.storage);
    ENSURE(found->second.size() == storage.bytes(), "storage {} of {} bytes", tensor.storage,
           found->second.size());
    tensors.Add(name, MakeDense(tensor, storage.dtype, found->second));
    if (--uses[tensor.storage] == 0) loaded.erase(found);
  }
  return tensors;
}

}  // namespace i2crc
