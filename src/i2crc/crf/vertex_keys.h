// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "i2crc/crf/kernels.h"
#include "i2crc/crf/simplex_source.h"
#include "i2crc/crf/vertex_table.h"

namespace i2crc::crf {

// Where the field of a coordinate stands, and what is added to its values so that none is negative.
struct Field {
  int word;
  int bit;
  int32_t bias;
};

struct FieldPlan {
  std::array<Field, kMaxDims> fields;
  size_t words;
};

// From the simplices: cells in blocks [d][kLanePoints]. Throws std::invalid_argument where a cell
// is out of bounds.
FieldPlan PlanFields(std::span<const int32_t> cells, int dims);

// From the bounds of the features alone, without simplices, which are found in one go with the
// vertices then. Nothing where the fields might need more than a word, or a cell might be out of
// bounds.
std::optional<FieldPlan> PlanNarrowFields(const SimplexSource& source);

// What keys are made of.
template <size_t kWords>
struct KeySteps {
  Key<kWords> bias{};
  std::array<Key<kWords>, kMaxDims + 1> step;  // vertex k to k + 1, by the coordinate next in order

  KeySteps(const FieldPlan& plan, size_t d) {
    using K = Key<kWords>;
    const K residue_one = K::Field(0, 0, 1);
    for (size_t i = 0; i < d; ++i) {
      const Field& field = plan.fields[i];
      step[i] = residue_one + K::Field(field.word, field.bit, -1);
      bias += K::Field(field.word, field.bit, field.bias);
    }
    step[d] = residue_one;
  }
};

// What is added to a key for the next one on an axis. key⁺ has one less in every coordinate but the
// axis', which has d more: the residue k goes down by one, and that coordinate's m up by one; from
// k = 0 the residue goes to d, and every other m down by one.
template <size_t kWords>
struct AxisSteps {
  Key<kWords> from_zero;
  Key<kWords> from_others;

  AxisSteps(const FieldPlan& plan, int dims, int axis)
      : from_zero(Key<kWords>::Field(0, 0, dims)), from_others(Key<kWords>::Field(0, 0, -1)) {
    for (int i = 0; i < dims; ++i) {
      const Field& field = plan.fields[static_cast<size_t>(i)];
      if (i == axis) {
        from_others += Key<kWords>::Field(field.word, field.bit, 1);
      } else {
        from_zero += Key<kWords>::Field(field.word, field.bit, -1);
      }
    }
  }
};

}  // namespace i2crc::crf
