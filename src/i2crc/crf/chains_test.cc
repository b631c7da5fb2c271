// SPDX-License-Identifier: Apache-2.0
#include "i2crc/crf/chains.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace i2crc::crf {
namespace {

struct Links {
  std::vector<uint32_t> next;
  std::vector<uint8_t> has_previous;  // and one more
};

// Chains of random vertices, whose lengths are up to `longest`, some of them 1.
Links RandomLinks(uint32_t vertices, uint32_t longest, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> order(vertices);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  Links links{std::vector<uint32_t>(vertices, kNoVertex), std::vector<uint8_t>(vertices + 1, 0)};
  uint32_t left = 0;
  for (uint32_t i = 0; i + 1 < vertices; ++i) {
    if (left == 0) left = static_cast<uint32_t>(random()) % longest + 1;
    if (--left == 0) continue;
    links.next[order[i]] = order[i + 1];
    links.has_previous[order[i + 1]] = 1;
  }
  return links;
}

ChainList Expected(const Links& links) {
  ChainList list;
  for (uint32_t head = 0; head < links.next.size(); ++head) {
    if (links.has_previous[head] != 0 || links.next[head] == kNoVertex) continue;
    const auto count = static_cast<uint32_t>(list.entries.size());
    if (list.pieces.empty() || count >= list.pieces.back() + kPiece) list.pieces.push_back(count);
    for (uint32_t vertex = head; vertex != kNoVertex; vertex = links.next[vertex])
      list.entries.push_back(vertex * 2 + (links.next[vertex] == kNoVertex ? 1 : 0));
  }
  if (!list.pieces.empty()) list.pieces.push_back(static_cast<uint32_t>(list.entries.size()));
  list.entries.resize(list.entries.size() + Lattice::kPadding, 0);
  return list;
}

class ChainsOfEachSet : public ::testing::TestWithParam<InstructionSet> {};

TEST_P(ChainsOfEachSet, AreThoseThatOneWalkFinds) {
  AlignedVector<uint32_t> heads;
  ChainList list;
  for (const uint32_t vertices : {1u, 2u, 5u, 16u, 17u, 100u, 4099u, 60001u})
    for (const uint32_t longest : {1u, 2u, 3u, 40u, 20000u}) {
      SCOPED_TRACE(std::to_string(vertices) + " vertices, up to " + std::to_string(longest));
      const Links links = RandomLinks(vertices, longest, vertices + longest);
      MakeChains(KernelsFor(GetParam()), links.next, links.has_previous, heads, list);
      const ChainList expected = Expected(links);
      EXPECT_TRUE(list.entries == expected.entries);
      EXPECT_EQ(list.pieces, expected.pieces);
    }
}

INSTANTIATE_TEST_SUITE_P(All, ChainsOfEachSet, ::testing::ValuesIn(AvailableInstructionSets()),
                         [](const auto& test) { return std::string(NameOf(test.param)); });

}  // namespace
}  // namespace i2crc::crf
