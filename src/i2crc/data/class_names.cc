// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/class_names.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/core/image.h"
#include "i2crc/core/text_encoding.h"
#include "i2crc/data/text_lines.h"
#include "i2crc/options/quote.h"

namespace i2crc {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

struct Problem {
  size_t index;  // of the name, from 0
  std::string cause;
};

// What is wrong with names[index], seen with those before it.
std::optional<std::string> NameProblem(const std::vector<std::string>& names, size_t index) {
  const std::string& name = names[index];
  if (index >= static_cast<size_t>(kMaxClasses))
    return fmt::format("there are more than {} classes", kMaxClasses);
  if (name.empty()) return "the class name is empty";
  if (!IsUtf8(name)) return "the class name is not UTF-8 text";
  if (HasControlCharacter(name))
    return fmt::format("class name {} has a tab or another control character in it", Quoted(name));
  if (LooksLikeNumber(name))
    return fmt::format("class name {} is a number, which lists take for a class index",
                       Quoted(name));
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(index);
  const auto twin = std::find(names.begin(), end, name);
  if (twin != end)
    return fmt::format("class name {} is class {} already", Quoted(name), twin - names.begin());
  return std::nullopt;
}

// What a file of names must not have besides.
std::optional<std::string> ProblemInFile(const std::string& name) {
  if (MeansBackground(name))
    return fmt::format(
        "{} is no class: delete this line (masks stay as they are, 0 is background; class indices "
        "in lists count from 0 without it)",
        Quoted(name));
  if (name.starts_with('"'))
    return fmt::format("class name {} begins with a quotation mark, which lists put around names",
                       Quoted(name));
  return std::nullopt;
}

std::optional<Problem> FindProblem(const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i)
    if (auto cause = NameProblem(names, i)) return Problem{i, *std::move(cause)};
  return std::nullopt;
}

}  // namespace

ClassNames ClassNames::Voc() {
  return ClassNames({"aeroplane",   "bicycle", "bird",  "boat",      "bottle",
                     "bus",         "car",     "cat",   "chair",     "cow",
                     "diningtable", "dog",     "horse", "motorbike", "person",
                     "pottedplant", "sheep",   "sofa",  "train",     "tvmonitor"});
}

ClassNames ClassNames::ReadOrVoc(const std::filesystem::path& path) {
  return path.empty() ? Voc() : Read(path);
}

ClassNames ClassNames::Read(const std::filesystem::path& path) {
  return Parse(ReadWholeFile(path, kMaxFileBytes), path.string());
}

ClassNames ClassNames::Parse(const std::string& text, const std::string& file) {
  RefuseUtf16(text, file);
  std::vector<std::string> names;
  for (std::string_view line : SplitLines(text)) {
    names.emplace_back(Trimmed(line));
    // One too many is enough to complain about.
    if (names.size() > 2 * static_cast<size_t>(kMaxClasses)) break;
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  if (names.empty()) Fail("{}: has no class names", file);
  for (size_t i = 0; i < names.size(); ++i)
    if (const auto cause = ProblemInFile(names[i])) Fail("{}:{}: {}", file, i + 1, *cause);
  if (const auto problem = FindProblem(names))
    Fail("{}:{}: {}", file, problem->index + 1, problem->cause);
  return ClassNames(std::move(names));
}

ClassNames::ClassNames(std::vector<std::string> names) : names_(std::move(names)) {
  if (names_.empty()) throw Error("there are no class names");
  if (const auto problem = FindProblem(names_))
    Fail("class name {}: {}", problem->index + 1, problem->cause);
}

int ClassNames::Find(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  return found == names_.end() ? -1 : static_cast<int>(found - names_.begin());
}

bool LooksLikeNumber(std::string_view word) {
  if (word.starts_with('+') || word.starts_with('-')) word.remove_prefix(1);
  // "nan" and "inf" are words.
  if (word.empty() || !(word[0] == '.' || (word[0] >= '0' && word[0] <= '9'))) return false;
  double value = 0;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), value);
  return failure != std::errc::invalid_argument && end == word.data() + word.size();
}

bool MeansBackground(std::string_view word) {
  constexpr std::string_view kDecoration = " _-()[]<>*";
  std::string letters;
  for (const char c : word)
    if (kDecoration.find(c) == std::string_view::npos)
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters == "background" || letters == "bg";
}

}  // namespace i2crc
