// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "i2crc/data/class_names.h"

namespace i2crc {

// One line of a LIST: an image and its tags.
struct ListedImage {
  std::string id;         // may have folders in it ("a/0001"), never leaves the directory
  std::vector<int> tags;  // class indices from 0, without background; ascending, each once

  friend bool operator==(const ListedImage&, const ListedImage&) = default;
};

// Reads `ID class…` lines, separated by spaces or tabs; a class is an index from 0 or a name; a
// class that stands twice on a line counts once. What has blanks in it, ID or name, stands in
// quotation marks: `"street 1" person "traffic light"`. Empty lines and lines that begin with '#'
// are passed over; a byte-order mark and lines that end in CRLF or CR are taken. Throws Error
// "FILE:LINE: cause" for an unknown or out-of-range class (with the nearest name), an ID that is
// absolute, has an empty, "." or ".." part or stands twice, a control character in an ID, a line
// that is a class name (the list was given for the names); "FILE: …" where the list is empty or
// cannot be read.
std::vector<ListedImage> ReadImageList(const std::filesystem::path& path,
                                       const ClassNames& classes);
std::vector<ListedImage> ParseImageList(const std::string& text, const std::string& name,
                                        const ClassNames& classes);
// Every class that some image of the list is tagged with, ascending. None where its tags are not of
// these classes, as may be where they are passed over. Throws Error where the list was given for
// the class names.
std::vector<int> TagsOfList(const std::filesystem::path& path, const ClassNames& classes);
// Where tags are not needed: everything after the ID is passed over.
std::vector<ListedImage> ReadImageIds(const std::filesystem::path& path);
std::vector<ListedImage> ParseImageIds(const std::string& text, const std::string& name);

// The tags that at least so many of the images have alone: what a network can learn of them where
// it is told no more of other images than which tags they have. tags: of each image.
std::set<int> TagsMetAlone(const std::vector<std::vector<int>>& tags, int least);

// Deals images out to `parts` parts, 0 … parts − 1: those with the same tags in turn, in their
// order, so that every part has every tag about equally often. tags: of each image.
std::vector<int> DealOutByTags(const std::vector<std::vector<int>>& tags, int parts);

// Halves of a list for cross-fitting: what a network that learned from one half says of the other
// is not what it learned by heart.
enum class Half { kBoth, kFirst, kSecond };
// The images of a half, in the list's order; DealOutByTags says which. Throws Error where a half
// would be empty.
std::vector<ListedImage> HalfOf(const std::vector<ListedImage>& images, Half half);

// Every photograph (.jpg, .jpeg, .png, any case) of a folder as a list without tags, in order of
// its ID (by bytes). Subfolders are not entered, hidden files passed over. Throws Error where the
// folder cannot be read or has no photograph, and where two photographs have the same ID.
std::vector<ListedImage> ListFolder(const std::filesystem::path& folder);

// folder/ID.jpg, .jpeg or .png, any case, whichever is there. Throws Error where none is ("DIR/ID:
// no .jpg …") or more than one. An ending that mixes cases (.Jpg) is looked for only where the
// usual ones are not there: a list of 10,000 images costs six stat calls each, not a look over the
// folder each.
std::filesystem::path FindPhotograph(const std::filesystem::path& folder, const std::string& id);

}  // namespace i2crc
