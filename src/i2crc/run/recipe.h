// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "i2crc/options/option_set.h"

namespace i2crc {

// What the recipe `practical` is derived from.
struct RecipeFacts {
  int64_t images = 0;  // of the training list
  int classes = 0;
  bool has_saliency = true;    // maps, or a detector that makes them
  std::string backbone;        // resnet18, resnet50, resnet101 or vgg16: what the weights are of
  bool has_weights = true;     // without them networks start from scratch
  bool has_fast_bf16 = false;  // of the machine: units that multiply in bf16
  double effort = 1;           // multiplies the steps of all trainings
  double minutes = 0;          // that the effort was fitted to, 0: none

  friend bool operator==(const RecipeFacts&, const RecipeFacts&) = default;
};
nlohmann::ordered_json ToJson(const RecipeFacts& facts);

// Whether a linear layer on the backbone's features can learn to tell tags (train-tags): a
// ResNet's, with its weights.
bool CanTellTags(const RecipeFacts& facts);

// One value of a recipe: [section] option = value, and why.
struct RecipeValue {
  std::string section, option;
  nlohmann::json value;
  std::string why;
};

// A named set of values for all stages. Sections of a configuration override it.
struct Recipe {
  std::string name;  // paper or practical
  std::vector<RecipeValue> values;

  // Sets what it says of the section.
  void Apply(const std::string& section, OptionSet& set) const;
};

// The paper's values are the options' defaults, so that its recipe is empty.
Recipe PaperRecipe();
// What a person with some hundred or thousand photographs and an ordinary machine should use
// (docs/method.md).
Recipe PracticalRecipe(const RecipeFacts& facts);

// Whether the processor has units that multiply in bf16 (AVX-512 BF16 or AMX): there bf16 takes
// half the time of fp32 or less, elsewhere more.
bool HasFastBf16();

}  // namespace i2crc
