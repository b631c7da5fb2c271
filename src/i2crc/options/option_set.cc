// SPDX-License-Identifier: Apache-2.0
#include "i2crc/options/option_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "i2crc/core/error.h"
#include "i2crc/options/quote.h"

namespace fs = std::filesystem;
using nlohmann::json;

namespace i2crc {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

struct Limits {
  double low;
  double high;
};

// What the type itself holds.
Limits TypeLimits(const Option::Target& target) {
  if (std::holds_alternative<int*>(target))
    return {std::numeric_limits<int>::min(), std::numeric_limits<int>::max()};
  if (std::holds_alternative<uint64_t*>(target))
    return {0, static_cast<double>(std::numeric_limits<int64_t>::max())};
  return {std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()};
}

std::string DefaultPlaceholder(const Option::Target& target) {
  return std::visit(
      Overloaded{[](bool*) { return ""; }, [](int*) { return "N"; }, [](uint64_t*) { return "N"; },
                 [](double*) { return "X"; }, [](std::string*) { return "TEXT"; },
                 [](fs::path*) { return "PATH"; }, [](std::vector<double>*) { return "X,X,…"; }},
      target);
}

// A value that has the wrong type, for the message.
std::string Described(const json& value) {
  if (value.is_string()) return Quoted(value.get_ref<const std::string&>());
  if (value.is_array()) return "a list";
  if (value.is_object()) return "a table";
  if (value.is_number_float()) return fmt::format("{}", value.get<double>());
  return value.dump();
}

int64_t WholeNumberFromText(const std::string& text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (stop != end || failure == std::errc::invalid_argument)
    Fail("{} is not a whole number", Quoted(text));
  if (failure == std::errc::result_out_of_range)
    Fail(
        "{} is out of range ({} {})", text, text[0] == '-' ? "at least" : "at most",
        text[0] == '-' ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max());
  return number;
}

double NumberFromText(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (stop != end || failure == std::errc::invalid_argument)
    Fail("{} is not a number", Quoted(text));
  if (failure == std::errc::result_out_of_range) Fail("{} is out of range", Quoted(text));
  return number;
}

json ListFromText(const std::string& text) {
  json list = json::array();
  for (size_t begin = 0; !text.empty() && begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    list.push_back(NumberFromText(text.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  return list;
}

int64_t WholeNumber(const json& value) {
  if (!value.is_number_integer()) Fail("{} is not a whole number", Described(value));
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    Fail("{} is out of range (at most {})", value.dump(), std::numeric_limits<int64_t>::max());
  return value.get<int64_t>();
}

double Number(const json& value) {
  // JSON has no infinity: ToJson writes it as a text.
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  if (!value.is_number()) Fail("{} is not a number", Described(value));
  return value.get<double>();
}

json NumberToJson(double number) {
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  return number;
}

// run.json and --print-config hold UTF-8 alone.
std::string Text(const json& value, const char* what) {
  if (!value.is_string()) Fail("{} is not {}", Described(value), what);
  const auto& text = value.get_ref<const std::string&>();
  try {
    static_cast<void>(value.dump());
  } catch (const json::exception&) {
    Fail("{} is not UTF-8", Quoted(text));
  }
  return text;
}

std::string PathText(const json& value) {
  std::string text = Text(value, "a path");
  if (text.find('\0') != std::string::npos) Fail("{} is not a path", Quoted(text));
  return text;
}

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count one
// each.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> two_up, up(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) up[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_up[j - 2] + 1);
    }
    two_up = up;
    up = row;
  }
  return up[b.size()];
}

}  // namespace

std::string Quoted(std::string_view text) {
  constexpr size_t kLongest = 120;
  std::string quoted = "'";
  for (const char c : text.substr(0, kLongest)) {
    if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  if (text.size() > kLongest) quoted += "…";
  return quoted + "'";
}

std::string Suggestion(std::string_view nearest, std::string_view before, std::string_view after) {
  if (nearest.empty()) return "";
  return fmt::format("; did you mean {}{}{}?", before, nearest, after);
}

Option::Option(std::string name, Target target, std::string help)
    : name_(std::move(name)),
      target_(target),
      help_(std::move(help)),
      placeholder_(DefaultPlaceholder(target)),
      low_(TypeLimits(target).low),
      high_(TypeLimits(target).high) {}

Option& Option::Range(double low, double high) {
  ENSURE(low <= high, "--{}: an empty range", name_);
  const bool whole =
      std::holds_alternative<int*>(target_) || std::holds_alternative<uint64_t*>(target_);
  const Limits limits = TypeLimits(target_);
  low_ = whole ? std::max(low, limits.low) : low;
  high_ = whole ? std::min(high, limits.high) : high;
  low_is_open_ = false;
  return *this;
}

Option& Option::Above(double low) {
  low_ = low;
  low_is_open_ = true;
  return *this;
}

Option& Option::OneOf(std::vector<std::string> choices) {
  ENSURE(std::holds_alternative<std::string*>(target_), "--{}: only texts have choices", name_);
  choices_ = std::move(choices);
  return *this;
}

Option& Option::Required() {
  required_ = true;
  return *this;
}

Option& Option::MayBeEmpty() {
  ENSURE(std::holds_alternative<std::vector<double>*>(target_), "--{}: only lists may be empty",
         name_);
  may_be_empty_ = true;
  return *this;
}

Option& Option::Value(std::string placeholder) {
  placeholder_ = std::move(placeholder);
  return *this;
}

Option& Option::Keyword(std::string word) {
  keyword_ = std::move(word);
  return *this;
}

Option& Option::KeepsResult() {
  keeps_result_ = true;
  return *this;
}

Option& Option::AbsentMeans(const nlohmann::json& value) {
  absent_means_ = value.dump();
  return *this;
}

bool Option::IsAsAbsent() const {
  return !absent_means_.empty() && nlohmann::json::parse(absent_means_) == ToJson();
}

Option& Option::Group(std::string title) {
  group_ = std::move(title);
  return *this;
}

std::string Option::RangeText() const {
  const Limits limits = TypeLimits(target_);
  const auto number = [this](double value) {
    const bool whole =
        std::holds_alternative<int*>(target_) || std::holds_alternative<uint64_t*>(target_);
    return whole ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
  };
  const bool bounded_below = low_is_open_ || low_ > limits.low;
  const bool bounded_above = high_ < limits.high;
  if (bounded_below && bounded_above)
    return low_is_open_ ? fmt::format("above {}, at most {}", number(low_), number(high_))
                        : fmt::format("{} to {}", number(low_), number(high_));
  if (bounded_below) return fmt::format("{} {}", low_is_open_ ? "above" : "at least", number(low_));
  if (bounded_above) return fmt::format("at most {}", number(high_));
  return "";
}

void Option::CheckNumber(double number) const {
  const bool above_low = low_is_open_ ? number > low_ : number >= low_;
  if (above_low && number <= high_) return;  // false for NaN
  std::string allowed = RangeText();
  if (!std::isfinite(number)) {
    allowed = "finite" + (allowed.empty() ? allowed : ", " + allowed);
  } else if (allowed.empty() || number > high_) {
    // Past what the type holds, which RangeText leaves unsaid.
    if (high_ == TypeLimits(target_).high && number > high_) {
      allowed = fmt::format("at most {:.0f}", high_);
    } else if (allowed.empty()) {
      allowed = fmt::format("at least {:.0f}", low_);
    }
  }
  Fail("{} is out of range ({})", number, allowed);
}

void Option::CheckChoice(const std::string& text) const {
  if (choices_.empty() || std::find(choices_.begin(), choices_.end(), text) != choices_.end())
    return;
  Fail("{} is none of {}{}", Quoted(text), fmt::join(choices_, ", "),
       Suggestion(NearestName(text, choices_)));
}

void Option::Assign(const json& value) {
  const auto whole = [&](auto* target) {
    const int64_t number = WholeNumber(value);
    CheckNumber(static_cast<double>(number));
    *target = static_cast<std::remove_pointer_t<decltype(target)>>(number);
  };
  std::visit(
      Overloaded{[&](bool* target) {
                   if (!value.is_boolean()) Fail("{} is neither true nor false", Described(value));
                   *target = value.get<bool>();
                 },
                 [&](int* target) { whole(target); }, [&](uint64_t* target) { whole(target); },
                 [&](double* target) {
                   const double number = Number(value);
                   CheckNumber(number);
                   *target = number;
                 },
                 [&](std::string* target) {
                   std::string text = Text(value, "a text");
                   CheckChoice(text);
                   *target = std::move(text);
                 },
                 [&](fs::path* target) { *target = PathText(value); },
                 [&](std::vector<double>* target) {
                   if (!value.is_array()) Fail("{} is not a list of numbers", Described(value));
                   if (value.empty() && !may_be_empty_) Fail("an empty list is not enough");
                   std::vector<double> list;
                   for (const json& item : value) {
                     list.push_back(Number(item));
                     CheckNumber(list.back());
                   }
                   *target = std::move(list);
                 }},
      target_);
  given_ = true;
}

void Option::SetFromText(const std::string& text) {
  Assign(std::visit(Overloaded{[&](bool*) -> json {
                                 if (text != "true" && text != "false")
                                   Fail("{} is neither true nor false", Quoted(text));
                                 return text == "true";
                               },
                               [&](int*) -> json { return WholeNumberFromText(text); },
                               [&](uint64_t*) -> json { return WholeNumberFromText(text); },
                               [&](double*) -> json { return NumberFromText(text); },
                               [&](std::vector<double>*) -> json { return ListFromText(text); },
                               [&](auto*) -> json { return text; }},
                    target_));
}

void Option::SetFromJson(const json& value, const fs::path& base) {
  if (!is_path()) return Assign(value);
  const std::string text = PathText(value);
  const bool is_path_text = !text.empty() && text != keyword_;
  Assign(is_path_text ? (base / text).lexically_normal().string() : text);
}

json Option::ToJson() const {
  return std::visit(Overloaded{[](const double* target) { return NumberToJson(*target); },
                               [](const fs::path* target) -> json { return target->string(); },
                               [](const std::vector<double>* target) {
                                 json list = json::array();
                                 for (const double number : *target)
                                   list.push_back(NumberToJson(number));
                                 return list;
                               },
                               [](const auto* target) -> json { return *target; }},
                    target_);
}

std::string Option::ToText() const {
  if (empty()) return "(none)";
  return std::visit(
      Overloaded{[](const bool* target) -> std::string { return *target ? "on" : "off"; },
                 [](const fs::path* target) { return target->string(); },
                 [](const std::vector<double>* target) {
                   return fmt::format("{}", fmt::join(*target, ","));
                 },
                 [](const auto* target) { return fmt::format("{}", *target); }},
      target_);
}

bool Option::empty() const {
  return std::visit(Overloaded{[](const std::string* target) { return target->empty(); },
                               [](const fs::path* target) { return target->empty(); },
                               [](const std::vector<double>* target) { return target->empty(); },
                               [](const auto*) { return false; }},
                    target_);
}

Option& OptionSet::Add(std::string name, Option::Target target, std::string help) {
  ENSURE(Find(name) == nullptr, "--{} is described twice", name);
  return options_.emplace_back(std::move(name), target, std::move(help));
}

Option* OptionSet::Find(const std::string& name) {
  for (Option& option : options_)
    if (option.name() == name) return &option;
  return nullptr;
}

void OptionSet::CheckRequired() const {
  for (const Option& option : options_)
    if (option.required() && (!option.given() || option.empty()))
      Fail("--{} is missing", option.name());
}

nlohmann::ordered_json OptionSet::ToJson() const {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const Option& option : options_) object[option.name()] = option.ToJson();
  return object;
}

std::string NearestName(const std::string& name, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t least = std::numeric_limits<size_t>::max();
  for (const std::string& candidate : candidates) {
    const size_t longer = std::max(name.size(), candidate.size());
    const size_t shorter = std::min(name.size(), candidate.size());
    // A third of the letters wrong is a slip, more is another word, unless it only breaks off
    // ("vgg").
    const size_t near = std::max<size_t>(longer / 3, 1);
    const bool breaks_off = name.size() >= 3 && candidate.starts_with(name);
    if (shorter == 0 || longer < 2 || (longer - shorter > near && !breaks_off)) continue;
    const size_t edits = EditDistance(name, candidate);
    const size_t distance = breaks_off ? std::min(edits, near) : edits;
    if (distance <= near && distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace i2crc
