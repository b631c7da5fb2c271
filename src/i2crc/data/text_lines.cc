// SPDX-License-Identifier: Apache-2.0
#include "i2crc/data/text_lines.h"

#include <algorithm>
#include <cstdint>

namespace i2crc {
namespace {

uint8_t Byte(char c) { return static_cast<uint8_t>(c); }

bool IsControl(char c) { return Byte(c) < 0x20 || Byte(c) == 0x7f; }

bool IsContinuation(char c) { return (Byte(c) & 0xc0U) == 0x80U; }

// The number of bytes of the well-formed UTF-8 sequence that text begins with, 0 where there is
// none. The second byte's range rules out overlong forms, surrogates and what lies above U+10FFFF
// (Unicode, table 3-7).
size_t SequenceLength(std::string_view text) {
  const uint8_t first = Byte(text[0]);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  const uint8_t second = Byte(text[1]);
  const uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (size_t i = 2; i < length; ++i)
    if (!IsContinuation(text[i])) return 0;
  return length;
}

}  // namespace

std::vector<std::string_view> SplitLines(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\r\n"), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
    if (!text.empty()) text.remove_prefix(text.starts_with("\r\n") ? 2 : 1);
  }
  return lines;
}

std::string_view Trimmed(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
}

std::optional<std::vector<std::string_view>> SplitWords(std::string_view line, size_t most) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<std::string_view> words;
  size_t begin = line.find_first_not_of(kBlanks);
  while (begin != std::string_view::npos && words.size() < most) {
    const bool is_quoted = line[begin] == '"';
    if (is_quoted) ++begin;
    size_t end = is_quoted ? line.find('"', begin) : line.find_first_of(kBlanks, begin);
    if (is_quoted && end == std::string_view::npos) return std::nullopt;
    end = std::min(end, line.size());
    words.push_back(line.substr(begin, end - begin));
    if (is_quoted) ++end;
    if (end < line.size() && kBlanks.find(line[end]) == std::string_view::npos) return std::nullopt;
    begin = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), IsControl);
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace i2crc
