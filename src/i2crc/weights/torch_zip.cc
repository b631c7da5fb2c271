// SPDX-License-Identifier: Apache-2.0
// torch.save since PyTorch 1.6: a zip archive of ROOT/data.pkl, ROOT/data/KEY for each storage,
// ROOT/version and, since 2.0, ROOT/byteorder.
#include <zip.h>

#include <map>
#include <memory>
#include <optional>

#include "i2crc/core/error.h"
#include "i2crc/weights/checked.h"
#include "i2crc/weights/pickle.h"
#include "i2crc/weights/readers.h"
#include "i2crc/weights/tensor_file.h"
#include "i2crc/weights/torch_state.h"

namespace i2crc {
namespace {

class ZipArchive {
 public:
  ZipArchive(std::span<const uint8_t> bytes, const std::string& file)
      : file_(file), file_bytes_(bytes.size()) {
    zip_error_t failure;
    zip_error_init(&failure);
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &failure);
    if (source != nullptr) archive_.reset(zip_open_from_source(source, ZIP_RDONLY, &failure));
    if (!archive_) {
      const std::string cause = zip_error_strerror(&failure);
      if (source != nullptr) zip_source_free(source);
      zip_error_fini(&failure);
      Fail("{}: damaged or truncated zip file: {}", file_, cause);
    }
    zip_error_fini(&failure);
    ListEntries();
  }

  // ROOT/ of the one ROOT/data.pkl.
  std::string Root() const {
    std::optional<std::string> root;
    for (const auto& [name, index] : entries_) {
      const size_t slash = name.find('/');
      if (slash == std::string::npos || name.substr(slash) != "/data.pkl") continue;
      if (root) Fail("{}: a zip file with several data.pkl", file_);
      root = name.substr(0, slash + 1);
    }
    if (!root) Fail("{}: a zip file without data.pkl, so no PyTorch checkpoint", file_);
    return *root;
  }

  bool Has(const std::string& name) const { return entries_.count(name) > 0; }

  // Size of an entry, once it is sure that it can be read.
  uint64_t Size(const std::string& name) const {
    const zip_stat_t status = Stat(name);
    if (status.encryption_method != ZIP_EM_NONE)
      Fail("{}: its entry {} is encrypted", file_, QuotedName(name));
    if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE)
      Fail("{}: its entry {} has the compression {}, which is not supported", file_,
           QuotedName(name), status.comp_method);
    if (status.comp_size > file_bytes_ ||
        (status.comp_method == ZIP_CM_STORE && status.size != status.comp_size))
      Fail("{}: its entry {} claims {} bytes", file_, QuotedName(name), status.size);
    return status.size;
  }

  // A whole entry of at most max_bytes, its checksum verified.
  std::vector<std::byte> Read(const std::string& name, uint64_t max_bytes) const {
    const uint64_t size = Size(name);
    if (size > max_bytes)
      Fail("{}: its entry {} has {} bytes, more than {}", file_, QuotedName(name), size, max_bytes);
    const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> entry(
        zip_fopen_index(archive_.get(), entries_.at(name), 0), &zip_fclose);
    if (!entry)
      Fail("{}: cannot read its entry {}: {}", file_, QuotedName(name),
           zip_error_strerror(zip_get_error(archive_.get())));
    std::vector<std::byte> bytes(size);
    uint64_t have = 0;
    while (have < size) {
      const zip_int64_t got = zip_fread(entry.get(), bytes.data() + have, size - have);
      if (got <= 0) FailRead(name, entry.get());
      have += static_cast<uint64_t>(got);
    }
    // The checksum is compared at the end of the entry, which only a further read meets.
    std::byte beyond;
    if (zip_fread(entry.get(), &beyond, 1) != 0) FailRead(name, entry.get());
    return bytes;
  }

 private:
  struct Discard {
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };

  // By hand rather than by zip_name_locate, which would take the first of two entries of one name.
  void ListEntries() {
    const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<zip_uint64_t>(i);
      const char* name = zip_get_name(archive_.get(), index, ZIP_FL_ENC_RAW);
      if (name == nullptr) Fail("{}: damaged zip file: an entry without a name", file_);
      if (!entries_.emplace(name, index).second)
        Fail("{}: damaged zip file: the entry {} occurs twice", file_, QuotedName(name));
    }
  }

  zip_stat_t Stat(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) Fail("{}: its entry {} is missing", file_, QuotedName(name));
    zip_stat_t status;
    zip_stat_init(&status);
    constexpr zip_uint64_t kNeeded =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(archive_.get(), found->second, 0, &status) != 0 ||
        (status.valid & kNeeded) != kNeeded)
      Fail("{}: damaged zip file: the entry {} has no size", file_, QuotedName(name));
    return status;
  }

  [[noreturn]] void FailRead(const std::string& name, zip_file_t* entry) const {
    const zip_error_t* failure = zip_file_get_error(entry);
    const bool told = zip_error_code_zip(failure) != ZIP_ER_OK;
    Fail("{}: its entry {} is damaged: {}", file_, QuotedName(name),
         told ? zip_file_strerror(entry) : "it has another length than it claims");
  }

  const std::string& file_;
  size_t file_bytes_;
  std::unique_ptr<zip_t, Discard> archive_;
  std::map<std::string, zip_uint64_t> entries_;
};

std::string ReadSmallText(const ZipArchive& archive, const std::string& name) {
  constexpr uint64_t kMaxBytes = 100;
  std::string text;
  for (const std::byte byte : archive.Read(name, kMaxBytes)) text += static_cast<char>(byte);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

void CheckKind(const ZipArchive& archive, const std::string& root, const std::string& file) {
  if (archive.Has(root + "constants.pkl"))
    Fail("{}: a TorchScript program instead of a state dict; save its state_dict() by torch.save",
         file);
  if (archive.Has(root + "byteorder")) {
    const std::string order = ReadSmallText(archive, root + "byteorder");
    if (order != "little") Fail("{}: byte order {} is not supported", file, QuotedName(order));
  }
  if (archive.Has(root + "version")) {
    const std::string version = ReadSmallText(archive, root + "version");
    if (version.empty() || version.size() > 4 ||
        version.find_first_not_of("0123456789") != std::string::npos)
      Fail("{}: damaged: its format's version is {}", file, QuotedName(version));
  }
}

}  // namespace

TensorMap ReadTorchZip(std::span<const uint8_t> bytes, const std::string& name, ReadWhat what) {
  const ZipArchive archive(bytes, name);
  const std::string root = archive.Root();
  CheckKind(archive, root, name);
  const std::vector<std::byte> pickled =
      archive.Read(root + "data.pkl", std::min(kMaxHeaderBytes, MaxUnfoldedBytes(bytes.size())));
  const Pickle pickle({reinterpret_cast<const uint8_t*>(pickled.data()), pickled.size()}, name);
  if (pickle.size() != pickled.size()) Fail("{}: bytes left over after its pickle", name);
  const TorchState state = ReadTorchState(pickle, name);
  // Also those that are not read, so that a truncated or foreign file is told before any work.
  for (const auto& [key, storage] : state.storages) {
    const uint64_t size = archive.Size(root + "data/" + key);
    if (size != storage.bytes())
      Fail("{}: storage {} has {} bytes instead of {}", name, QuotedName(key), size,
           storage.bytes());
  }
  const auto load = [&](const std::string& key) {
    return archive.Read(root + "data/" + key, state.storages.at(key).bytes());
  };
  return MakeTensors(state, what, load, bytes.size(), name);
}

TensorMap ParseTorchZip(std::span<const uint8_t> bytes, const std::string& name) {
  return ReadTorchZip(bytes, name, ReadWhat::kAll);
}

}  // namespace i2crc
