// SPDX-License-Identifier: Apache-2.0
#include "support/golden_file.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace i2crc::testing {
namespace {

double HalfToDouble(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  double value = 0;
  if (exponent == 31)
    value = fraction == 0 ? HUGE_VAL : std::nan("");
  else if (exponent == 0)
    value = std::ldexp(fraction, -24);
  else
    value = std::ldexp(fraction + 1024, exponent - 25);
  return bits >> 15 != 0 ? -value : value;
}

template <typename T>
std::vector<T> Raw(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

template <typename T>
std::vector<double> Widened(const std::string& bytes) {
  const std::vector<T> raw = Raw<T>(bytes);
  return {raw.begin(), raw.end()};
}

}  // namespace

int64_t GoldenTensor::size() const {
  int64_t size = 1;
  for (const int64_t side : shape) size *= side;
  return size;
}

std::vector<uint8_t> GoldenTensor::U8() const {
  if (dtype != "U8") throw std::runtime_error("golden of type " + dtype + " read as U8");
  return Raw<uint8_t>(bytes);
}

std::vector<double> GoldenTensor::Values() const {
  if (dtype == "U8") return Widened<uint8_t>(bytes);
  if (dtype == "I32") return Widened<int32_t>(bytes);
  if (dtype == "I64") return Widened<int64_t>(bytes);
  if (dtype == "F32") return Widened<float>(bytes);
  if (dtype == "F64") return Widened<double>(bytes);
  if (dtype != "F16") throw std::runtime_error("golden of unknown type " + dtype);
  std::vector<double> values;
  for (const uint16_t bits : Raw<uint16_t>(bytes)) values.push_back(HalfToDouble(bits));
  return values;
}

std::vector<float> GoldenTensor::Floats() const {
  if (dtype == "F32") return Raw<float>(bytes);
  if (dtype != "F16") throw std::runtime_error("golden of type " + dtype + " read as floats");
  const std::vector<double> values = Values();
  return {values.begin(), values.end()};
}

GoldenFile::GoldenFile(const std::filesystem::path& path) : path_(path.string()) {
  std::ifstream in(path, std::ios::binary);
  const std::string file((std::istreambuf_iterator<char>(in)), {});
  uint64_t length = 0;
  if (file.size() < sizeof(length)) throw std::runtime_error("cannot read golden " + path_);
  std::memcpy(&length, file.data(), sizeof(length));
  const size_t data = sizeof(length) + length;
  const auto header = nlohmann::json::parse(file.substr(sizeof(length), length));
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      metadata_ = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    const auto offsets = entry.at("data_offsets").get<std::vector<size_t>>();
    tensors_[name] = {entry.at("dtype"), entry.at("shape"),
                      file.substr(data + offsets.at(0), offsets.at(1) - offsets.at(0))};
  }
}

const GoldenTensor& GoldenFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw std::runtime_error(path_ + " has no tensor " + name);
  return found->second;
}

std::vector<std::string> GoldenFile::names() const {
  std::vector<std::string> names;
  for (const auto& entry : tensors_) names.push_back(entry.first);
  return names;
}

}  // namespace i2crc::testing
