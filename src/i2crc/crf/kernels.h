// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "i2crc/crf/instruction_set.h"
#include "i2crc/crf/lattice.h"
#include "i2crc/crf/narrow_table.h"

namespace i2crc::crf {

// How rows of marginals and lattice values are kept between the passes: floats, or 24 bits each.
enum class Storage { kSingle, kPacked };

// Labels of a packed row, which is a cache line.
constexpr int kPackedLabels = 21;
// Labels of the widest row of floats, which is one too. More labels are worked on in several
// blocks.
constexpr int kSingleLabels = 16;

// Floats of the widest row of energies.
constexpr size_t kWidestFloats = 24;

// Features that a lattice can have.
constexpr int kMaxDims = 32;
// Points whose simplices, unary energies or marginals are converted at once.
constexpr int kLanePoints = 16;
// The negative energy of the lanes that fill up a row.
constexpr float kNoLabel = -1e30F;
// That of a label whose energy is infinite: it has a share where none of the others can be either.
constexpr float kCannotBe = -1e28F;

// Simplices of kLanePoints points, lane by lane.
struct SimplexBlock {
  int32_t* cells;  // [d][kLanePoints]: r_i / (d + 1)
  int32_t* order;  // [d + 1][kLanePoints]: the coordinate of rank t
  float* weights;  // [d + 1][kLanePoints]: barycentric
};

// The corners begin … end − 1 of Lattice::splat, which are all those of the vertices from `vertex`
// on; empty where begin = end.
struct SplatPiece {
  uint32_t vertex;
  uint32_t begin;
  uint32_t end;
};

// One pairwise term as the update sees it.
struct SlicedTerm {
  const Corner* slice;  // [points][corners]
  int corners;
  const void* values;         // [vertices], rows; or those of a region's buffer
  const float* label_factor;  // [floats]: what a filtered value adds to the negative energy
  int places;                 // of the region's buffer that values are; 0 where they are not
};

// Where a pairwise term's marginals go when they are splatted point by point.
struct SplattedTerm {
  const Corner* slice;  // [points][corners], whose weights are splat's as well
  int corners;
  void* values;  // [vertices] rows, added to
};

// The columns begin … end − 1 of a row that are vertices, but for those of its holes.
struct RowExtent {
  int begin;
  int end;
  int first_hole;
  int end_hole;
};

// A region's piece of the lattice of positions: rows × columns places. A buffer has room for
// `places` of them, with grid_floats floats each, in planes that the kernels know of.
struct GridShape {
  int rows;                  // the first and last kGridRowsBeyond hold no vertices
  int columns;               // nor do the first and last kGridColumnsBeyond
  int places;                // ≥ rows · columns
  bool starts_odd;           // whether row 0 is an odd row of the lattice
  const RowExtent* extents;  // [rows]
  const int* holes;          // columns, by row
};
constexpr int kGridRowsBeyond = 2;
constexpr int kGridColumnsBeyond = 1;
// Floats behind each row of scratch, and three times as many behind all of a buffer, that may be
// touched.
constexpr int kGridFloatsBeyond = 16;
constexpr int kGridScratchRows = 12;
// How many runs ahead marginals are asked for: twice so many more stand behind the last.
constexpr int kGridRunsAhead = 4;

// Points begin … begin + count − 1 that are splatted into a region's buffer.
struct GridRun {
  uint32_t begin;
  uint32_t count;
  int32_t shift;  // from places in their own region's buffer to places in this one
};

// The passes over one block of labels. Each point or vertex has a row: of energies `floats` floats,
// of marginals or lattice values `bytes` bytes, laid out as the Storage says.
struct BlockKernels {
  int labels;  // that there is room for
  int floats;
  size_t bytes;
  int grid_floats;  // of the places of a region's buffer
  // values[v] = Σ weight · marginals[point] for the vertices of two pieces of Lattice::splat.
  void (*splat)(const Corner* corners, const void* marginals, void* values, const SplatPiece& first,
                const SplatPiece& second);
  // In place: value + ½ (previous + next) along each chain; entries begin … end − 1, whole chains.
  void (*blur)(const uint32_t* entries, void* values, uint32_t begin, uint32_t end);
  // energies[p − begin] = negative_unary[p] + Σ over terms label_factor · slice(values); points
  // begin … end − 1. negative_unary may be null: 0.
  void (*slice)(const SlicedTerm* terms, int term_count, const float* negative_unary,
                float* energies, int64_t begin, int64_t end);
  // marginals[p] = softmax of slice's energies, with one block of labels.
  void (*update)(const SlicedTerm* terms, int term_count, const float* negative_unary,
                 void* marginals, int64_t begin, int64_t end);
  // values[v] += weight · marginals[point] for the points begin … end − 1: splat without its list,
  // by one thread alone. Sums come in the same order, and out in the same bits.
  void (*scatter)(const SplattedTerm& term, const void* marginals, int64_t begin, int64_t end);
  // update and scatter in one, for the next iteration. marginals may be null where nobody asks for
  // them. Both null where rows are packed, which would be rounded at every sum.
  void (*update_and_scatter)(const SlicedTerm* from, int from_count, const SplattedTerm* to,
                             int to_count, const float* negative_unary, void* marginals,
                             int64_t begin, int64_t end);
  // Splats the runs, an even number, into a region's buffer, and blurs it; corners [points][3].
  // values: places and 3 · kGridFloatsBeyond; scratch: kGridScratchRows times columns places and
  // kGridFloatsBeyond, and 3 · kGridFloatsBeyond.
  void (*filter_region)(const GridShape& shape, const Corner* corners, const GridRun* runs,
                        int run_count, const void* marginals, float* values, float* scratch);
  // marginals = softmax(energies) of `count` rows over all blocks, each of this kind. What energies
  // are left is nobody's business.
  void (*softmax)(float* const* energies, void* const* marginals, int blocks, int64_t count);
  // Rows of marginals from rows of floats, points begin … end − 1.
  void (*pack)(const float* rows, void* marginals, int64_t begin, int64_t end);
  // rows[0 … count − 1] = marginals of the points from begin, as floats.
  void (*unpack)(const void* marginals, int64_t begin, int count, float* rows);
  // Where a label's marginal exceeds largest[i] of point begin + i, the largest such becomes
  // largest[i], and best[i] its label, the first on a tie. labels of this block, from first_label.
  void (*best)(const void* marginals, int64_t begin, int count, int labels, int first_label,
               float* largest, int32_t* best);
};

// Of values.
struct ValueBounds {
  float least;
  float most;
  bool are_numbers;  // all of them; otherwise the bounds mean nothing
};

// Vertices whose keys are one word.
struct VertexKernels {
  // The keys of a block's corners, and their hashes, whose places in the table are fetched.
  void (*keys)(const NarrowTable& table, const NarrowKeyPlan& plan, int dims, const int32_t* cells,
               const int32_t* order, const NarrowCorners& corners);
  // Finds the vertices of a block's first points, or adds them, in the order of points and then of
  // k: corners[point][k]; ones[vertex] += weight. There must be room for all of them.
  void (*meet)(NarrowTable& table, const NarrowCorners& asked, int dims, int lanes, float* ones,
               Corner* corners);
  // Fills the table's filter, which is empty.
  void (*fill_filter)(const NarrowTable& table);
  // next[v] = the vertex that is next on the axis, or kNoVertex; has_previous[v] = 1 where v is
  // one, and elsewhere left alone. has_previous has an entry more, to be written to.
  void (*neighbours)(const NarrowTable& table, const NarrowAxis& axis, uint32_t* next,
                     uint8_t* has_previous);
  // heads: the vertices with a next one and no previous one, in their order; returns how many.
  // kHeadsPadding more may be written.
  static constexpr size_t kHeadsPadding = 16;
  uint32_t (*heads)(const uint32_t* next, const uint8_t* has_previous, uint32_t vertices,
                    uint32_t* heads);
};

struct Kernels {
  InstructionSet instruction_set;
  bool has_packed;
  // Simplices of kLanePoints points, whose features begin at features[j · stride].
  void (*simplices)(const float* features, int64_t stride, int dims, const float* scale,
                    const SimplexBlock& block);
  // count ≥ 1.
  ValueBounds (*bounds)(const float* values, int64_t count);
  VertexKernels vertices;
  // rows[i · width + l] = −energy, where clip is 0, or log(clip(probability, clip, 1)) of planes[l
  // · stride + i]; kNoLabel for l ≥ labels. count ≤ kLanePoints.
  void (*to_rows)(const float* planes, int64_t stride, int labels, int count, float clip,
                  float* rows, int width);
  // The block for that many labels, 1 ≤ labels ≤ kPackedLabels or kSingleLabels.
  const BlockKernels& (*block)(int labels, Storage storage);
};

// Throws std::invalid_argument where this machine does not have the instruction set.
const Kernels& KernelsFor(InstructionSet instruction_set);

}  // namespace i2crc::crf
