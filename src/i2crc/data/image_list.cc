// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/image_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "i2crc/core/atomic_file.h"
#include "i2crc/core/error.h"
#include "i2crc/core/text_encoding.h"
#include "i2crc/data/text_lines.h"
#include "i2crc/options/option_set.h"
#include "i2crc/options/quote.h"

namespace fs = std::filesystem;

namespace i2crc {
namespace {

constexpr size_t kMaxListBytes = size_t{1} << 28;

// Why an ID cannot be used, or "". It becomes part of file names that are read and written, so it
// must stay inside its folder and have one spelling only.
std::string_view IdProblem(std::string_view id) {
  if (HasControlCharacter(id)) return "has a control character in it";
  if (id.starts_with('/')) return "is absolute: IDs are relative to the folder of images";
  if (id.ends_with('/')) return "ends in a slash";
  size_t begin = 0;
  while (begin <= id.size()) {
    const size_t end = std::min(id.find('/', begin), id.size());
    const std::string_view part = id.substr(begin, end - begin);
    if (part.empty()) return "has an empty part in it";
    if (part == ".") return "has a '.' part in it";
    if (part == "..") return "leaves the folder of images ('..')";
    begin = end + 1;
  }
  return "";
}

// Cause where a word of a list is no class.
std::string UnknownClass(std::string_view word, const ClassNames& classes) {
  // Longer than any name can be near to; edit distance to 254 names is not free.
  constexpr size_t kLongestNearName = 100;
  const std::string cause = fmt::format("unknown class {}", Quoted(word));
  if (word.size() > kLongestNearName) return cause;
  if (MeansBackground(word)) return cause + ": background is no tag, leave it out";
  const std::string beginning = std::string(word) + " ";
  for (const std::string& name : classes.names())
    if (name.starts_with(beginning))
      return cause + fmt::format("; a name with blanks stands in quotation marks: \"{}\"", name);
  return cause + Suggestion(NearestName(std::string(word), classes.names()));
}

// The class index that a word of a list stands for. Throws Error with "FILE:LINE" in front.
int ParseClass(std::string_view word, const ClassNames& classes, const std::string& where) {
  if (const int named = classes.Find(word); named >= 0) return named;
  if (!LooksLikeNumber(word)) Fail("{}: {}", where, UnknownClass(word, classes));
  int index = -1;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), index);
  const bool too_large = failure == std::errc::result_out_of_range;
  if (!too_large && (failure != std::errc() || end != word.data() + word.size()))
    Fail("{}: {} is not a class index", where, Quoted(word));
  if (too_large || index < 0 || index >= classes.count())
    Fail("{}: class {} is out of range: there are {} classes, 0 to {}", where, Quoted(word),
         classes.count(), classes.count() - 1);
  return index;
}

bool HasImage(std::string_view line) {
  line = Trimmed(line);
  return !line.empty() && !line.starts_with('#');
}

// A list that was given for the file of class names too reads as names with blanks.
void RefuseListAsNames(const std::vector<std::string_view>& lines, const std::string& name,
                       const ClassNames& classes) {
  const auto first = std::find_if(lines.begin(), lines.end(), HasImage);
  if (first == lines.end()) return;
  const std::string_view line = Trimmed(*first);
  if (line.find(' ') != std::string_view::npos && classes.Find(line) >= 0)
    Fail("{}:{}: the line is a class name too; is the list given as --classes?", name,
         first - lines.begin() + 1);
}

// classes is null where tags are passed over.
std::vector<ListedImage> Parse(const std::string& text, const std::string& name,
                               const ClassNames* classes) {
  RefuseUtf16(text, name);
  std::vector<ListedImage> images;
  std::unordered_map<std::string, size_t> line_of_id;
  const std::vector<std::string_view> lines = SplitLines(text);
  if (classes != nullptr) RefuseListAsNames(lines, name, *classes);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!HasImage(lines[i])) continue;
    const std::string where = fmt::format("{}:{}", name, i + 1);
    const auto words = SplitWords(lines[i], classes == nullptr ? 1 : SIZE_MAX);
    if (!words) Fail("{}: a word that begins with a quotation mark must end with one", where);

    ListedImage image{.id = std::string(words->front()), .tags = {}};
    const std::string_view problem = IdProblem(image.id);
    if (!problem.empty()) Fail("{}: the ID {} {}", where, Quoted(image.id), problem);
    const auto [earlier, is_new] = line_of_id.emplace(image.id, i + 1);
    if (!is_new)
      Fail("{}: the ID {} stands on line {} already", where, Quoted(image.id), earlier->second);

    if (classes != nullptr) {
      for (size_t w = 1; w < words->size(); ++w)
        image.tags.push_back(ParseClass((*words)[w], *classes, where));
      std::sort(image.tags.begin(), image.tags.end());
      image.tags.erase(std::unique(image.tags.begin(), image.tags.end()), image.tags.end());
    }
    images.push_back(std::move(image));
  }
  if (images.empty()) Fail("{}: the list has no images", name);
  return images;
}

constexpr std::array<std::string_view, 3> kEndings = {".jpg", ".jpeg", ".png"};
constexpr std::string_view kEndingsText = ".jpg, .jpeg or .png";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool IsPhotographEnding(std::string ending) {
  std::transform(ending.begin(), ending.end(), ending.begin(), Lower);
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

// The ending with its letters upper-case where the bits of upper say so (bit 0: the letter after
// the dot).
std::string InCase(std::string_view ending, unsigned upper) {
  std::string spelt(ending);
  for (size_t i = 1; i < spelt.size(); ++i)
    if ((upper >> (i - 1) & 1U) != 0) spelt[i] = Upper(spelt[i]);
  return spelt;
}

// Whether something other than a folder stands there. Throws Error where that cannot be told.
bool FileStands(const fs::path& path) {
  std::error_code failure;
  const fs::file_type type = fs::status(path, failure).type();
  if (type == fs::file_type::none) Fail("{}: {}", path.string(), failure.message());
  return type != fs::file_type::not_found && type != fs::file_type::directory;
}

// Takes path in if it is there. On a file system that does not tell cases apart two spellings are
// one file.
void Consider(const fs::path& path, fs::path& found) {
  if (!FileStands(path)) return;
  std::error_code ignored;
  if (found.empty())
    found = path;
  else if (!fs::equivalent(found, path, ignored))
    Fail("{}: {} is there too; which of them is meant?", found.string(), path.filename().string());
}

}  // namespace

std::vector<ListedImage> ReadImageList(const fs::path& path, const ClassNames& classes) {
  return ParseImageList(ReadWholeFile(path, kMaxListBytes), path.string(), classes);
}

std::vector<ListedImage> ParseImageList(const std::string& text, const std::string& name,
                                        const ClassNames& classes) {
  return Parse(text, name, &classes);
}

std::vector<int> TagsOfList(const fs::path& path, const ClassNames& classes) {
  const std::string text = ReadWholeFile(path, kMaxListBytes);
  RefuseListAsNames(SplitLines(text), path.string(), classes);
  std::set<int> tags;
  try {
    for (const ListedImage& image : ParseImageList(text, path.string(), classes))
      tags.insert(image.tags.begin(), image.tags.end());
  } catch (const Error&) {
    return {};
  }
  return {tags.begin(), tags.end()};
}

std::vector<ListedImage> ReadImageIds(const fs::path& path) {
  return ParseImageIds(ReadWholeFile(path, kMaxListBytes), path.string());
}

std::vector<ListedImage> ParseImageIds(const std::string& text, const std::string& name) {
  return Parse(text, name, nullptr);
}

std::set<int> TagsMetAlone(const std::vector<std::vector<int>>& tags, int least) {
  std::map<int, int> alone;
  for (const std::vector<int>& of_image : tags) {
    for (const int tag : of_image) alone.try_emplace(tag, 0);
    if (of_image.size() == 1) ++alone[of_image.front()];
  }
  std::set<int> met;
  for (const auto& [tag, images] : alone)
    if (images >= least) met.insert(tag);
  return met;
}

std::vector<int> DealOutByTags(const std::vector<std::vector<int>>& tags, int parts) {
  std::vector<size_t> order(tags.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return tags[a] < tags[b]; });
  std::vector<int> part(tags.size());
  for (size_t i = 0; i < order.size(); ++i)
    part[order[i]] = static_cast<int>(i % static_cast<size_t>(parts));
  return part;
}

std::vector<ListedImage> HalfOf(const std::vector<ListedImage>& images, Half half) {
  if (half == Half::kBoth) return images;
  if (images.size() < 2) Fail("a list of {} images has no halves", images.size());
  std::vector<std::vector<int>> tags;
  for (const ListedImage& image : images) tags.push_back(image.tags);
  const std::vector<int> part = DealOutByTags(tags, 2);
  std::vector<ListedImage> kept;
  for (size_t i = 0; i < images.size(); ++i)
    if (part[i] == (half == Half::kFirst ? 0 : 1)) kept.push_back(images[i]);
  return kept;
}

std::vector<ListedImage> ListFolder(const fs::path& folder) {
  std::error_code failure;
  std::vector<std::pair<std::string, std::string>> photographs;  // ID, file name
  fs::directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
    const fs::path name = entry->path().filename();
    std::error_code ignored;  // a link to nowhere is listed, so that its reader says what is wrong
    if (name.string().starts_with('.') || !IsPhotographEnding(name.extension().string()) ||
        entry->is_directory(ignored))
      continue;
    photographs.emplace_back(name.stem().string(), name.string());
  }
  if (failure) Fail("{}: {}", folder.string(), failure.message());
  if (photographs.empty()) Fail("{}: has no photograph ({})", folder.string(), kEndingsText);

  std::sort(photographs.begin(), photographs.end());
  std::vector<ListedImage> images;
  images.reserve(photographs.size());
  for (size_t i = 0; i < photographs.size(); ++i) {
    const auto& [id, file] = photographs[i];
    const std::string_view problem = IdProblem(id);
    if (!problem.empty()) Fail("{}: the file name {} {}", folder.string(), Quoted(file), problem);
    if (i > 0 && photographs[i - 1].first == id)
      Fail("{}: {} and {} have the same ID", folder.string(), Quoted(photographs[i - 1].second),
           Quoted(file));
    images.push_back({.id = id, .tags = {}});
  }
  return images;
}

fs::path FindPhotograph(const fs::path& folder, const std::string& id) {
  const std::string stem = (folder / id).string();
  fs::path found;
  const auto all_upper = [](std::string_view ending) { return (1U << (ending.size() - 1)) - 1U; };
  for (std::string_view ending : kEndings) {
    Consider(stem + std::string(ending), found);
    Consider(stem + InCase(ending, all_upper(ending)), found);
  }
  if (!found.empty()) return found;
  for (std::string_view ending : kEndings)
    for (unsigned upper = 1; upper < all_upper(ending); ++upper)
      Consider(stem + InCase(ending, upper), found);
  if (!found.empty()) return found;
  if (IsPhotographEnding(fs::path(id).extension().string()) && FileStands(stem))
    Fail("{}: no {} there; an ID stands in the list without its ending", stem, kEndingsText);
  Fail("{}: no {} there", stem, kEndingsText);
}

}  // namespace i2crc
