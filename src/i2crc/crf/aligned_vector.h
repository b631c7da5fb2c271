// SPDX-License-Identifier: Apache-2.0
#pragma once

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstddef>
#include <new>
#include <vector>

namespace i2crc::crf {

// Memory that starts on a cache line, so that a vertex's row of labels does not straddle two, and
// that resize() does not fill: every value is written before it is read.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    void* memory = ::operator new (bytes, std::align_val_t{AlignmentFor(count)});
#ifdef __linux__
    if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: it may fail
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) {
    ::operator delete (memory, std::align_val_t{AlignmentFor(count)});
  }

  template <typename U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <typename U, typename... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(static_cast<Args&&>(args)...);
  }

  static constexpr size_t kHugePage = size_t{2} << 20;
  static size_t AlignmentFor(size_t count) {
    return count * sizeof(T) >= kHugePage ? kHugePage : 64;
  }

  bool operator==(const CacheLineAllocator&) const { return true; }
};

template <typename T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace i2crc::crf
