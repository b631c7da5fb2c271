// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <vector>

#include "i2crc/crf/dense_crf.h"
#include "i2crc/crf/require.h"
#include "i2crc/threads/team.h"

namespace i2crc::crf {

void ForEachImage(int64_t count, int threads, const DenseCrfOptions& options,
                  const std::function<void(DenseCrf& crf, int64_t i)>& work) {
  const auto wanted = std::min<int64_t>(RequiredThreads(threads), count);
  // Of each thread; the first one's is made here, so that options are refused before any work.
  std::vector<std::unique_ptr<DenseCrf>> crfs;
  crfs.push_back(std::make_unique<DenseCrf>(options));
  Team team(static_cast<int>(wanted));
  crfs.resize(static_cast<size_t>(team.threads()));
  team.ForEachByThread(count, [&](int64_t i, int thread) {
    std::unique_ptr<DenseCrf>& crf = crfs[static_cast<size_t>(thread)];
    if (crf == nullptr) crf = std::make_unique<DenseCrf>(options);
    work(*crf, i);
  });
}

}  // namespace i2crc::crf
