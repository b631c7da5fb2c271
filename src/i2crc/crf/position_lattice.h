// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "i2crc/crf/aligned_vector.h"
#include "i2crc/crf/kernels.h"
#include "i2crc/crf/normalization.h"
#include "i2crc/crf/point_order.h"

namespace i2crc::crf {

// The filter of an image's points with a Gaussian kernel over their positions: the same
// permutohedral lattice as Lattice's, of two features, but known to be a grid of triangles nearly
// without holes. Its vertices stand in rows, two of them for a row of pixels where σ is 1, and a
// vertex' six neighbours in the two rows above and the two below.
//
// So nothing of it is ever in memory as a whole. Each region of the image splats the points that
// reach it into a buffer in the second-level cache, blurs all three axes there in one sweep, and
// slices its own points. What lies beyond a region's border is computed once more by it, so that
// regions need nothing of each other: any number of threads gives the same bytes.
struct PositionLattice {
  // A region's buffer and what is splatted into it.
  struct Part {
    int rows;
    bool starts_odd;
    uint32_t first_extent;  // in extents, [rows]
    uint32_t first_run;     // in runs
    uint32_t end_run;
  };

  int64_t vertices = 0;
  int columns = 0;              // of every buffer
  int most_rows = 0;            // of any buffer
  AlignedVector<Corner> slice;  // [points][3]; index: the place in the buffer of the point's region
  AlignedVector<Corner> splat;  // the same; empty where slice's weights are splat's as well
  std::vector<Part> parts;      // by region
  std::vector<RowExtent> extents;
  std::vector<int> holes;
  std::vector<GridRun> runs;  // one more that is harmless to prefetch

  int places() const { return most_rows * columns; }  // that a buffer has room for
};

// Null where the lattice has holes, or so few vertices that a Lattice does as well: outside of
// about 0.6 ≤ σ ≤ 2. Depends on nothing but its arguments; the same for every instruction set.
std::shared_ptr<const PositionLattice> BuildPositionLattice(const Kernels& kernels,
                                                            const PointOrder& order, float sigma_x,
                                                            float sigma_y,
                                                            Normalization normalization);

}  // namespace i2crc::crf
