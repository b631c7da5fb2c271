// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "i2crc/core/context.h"
#include "i2crc/data/image_list.h"

namespace i2crc {

// What `check` makes of each image of a list, before work begins. Under OnError::kSkip an image
// that it throws Error for is left out. Throws Error naming the list where no image is left.
template <typename Item>
std::vector<Item> CheckEach(const std::vector<ListedImage>& images,
                            const std::filesystem::path& list, OnError on_error, Context& context,
                            const std::function<Item(const ListedImage&)>& check) {
  std::vector<Item> items;
  for (const ListedImage& listed : images) {
    context.CheckInterrupted();
    TryItem(context, on_error, listed.id, [&] { items.push_back(check(listed)); });
  }
  if (items.empty()) Fail("{}: no image of the list can be used", list.string());
  return items;
}

}  // namespace i2crc
