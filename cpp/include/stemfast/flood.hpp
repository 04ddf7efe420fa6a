// Pieces of masks: what hangs together, and what lies within.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stemfast {

// A mask's rows × columns.
struct MaskShape {
  std::int64_t rows, columns;
  std::int64_t size() const { return rows * columns; }
};

// Pixels that are reached from `start` over neighbours that `open` lets through; eight neighbours, or four.
template <class Open>
std::vector<std::int64_t> flood(MaskShape shape, std::int64_t start, bool eight, std::vector<char>& seen,
                                const Open& open) {
  std::vector<std::int64_t> reached{start};
  seen[static_cast<std::size_t>(start)] = 1;
  for (std::size_t k = 0; k < reached.size(); ++k) {
    const std::int64_t row = reached[k] / shape.columns, column = reached[k] % shape.columns;
    for (std::int64_t dr = -1; dr <= 1; ++dr) {
      for (std::int64_t dc = -1; dc <= 1; ++dc) {
        const std::int64_t r = row + dr, c = column + dc, i = r * shape.columns + c;
        if (r < 0 || c < 0 || r >= shape.rows || c >= shape.columns || (!eight && dr != 0 && dc != 0))
          continue;
        if (seen[static_cast<std::size_t>(i)] || !open(i)) continue;
        seen[static_cast<std::size_t>(i)] = 1;
        reached.push_back(i);
      }
    }
  }
  return reached;
}

// Sets what lies within a mask's outlines.
inline void fill_holes(MaskShape shape, bool* mask) {
  // Around the smallest box that holds the mask, all is outside.
  std::int64_t top = shape.rows, bottom = -1, left = shape.columns, right = -1;
  for (std::int64_t r = 0; r < shape.rows; ++r) {
    for (std::int64_t c = 0; c < shape.columns; ++c) {
      if (!mask[r * shape.columns + c]) continue;
      top = std::min(top, r);
      bottom = r;
      left = std::min(left, c);
      right = std::max(right, c);
    }
  }
  std::vector<char> outside(static_cast<std::size_t>(shape.size()), 0);
  const auto open = [=](std::int64_t i) {
    const std::int64_t r = i / shape.columns, c = i % shape.columns;
    return !mask[i] && r >= top && r <= bottom && c >= left && c <= right;
  };
  const auto enter = [&](std::int64_t r, std::int64_t c) {
    const std::int64_t i = r * shape.columns + c;
    if (!mask[i] && !outside[static_cast<std::size_t>(i)]) flood(shape, i, false, outside, open);
  };
  for (std::int64_t r = top; r <= bottom; ++r) {
    enter(r, left);
    enter(r, right);
  }
  for (std::int64_t c = left; c <= right; ++c) {
    enter(top, c);
    enter(bottom, c);
  }
  for (std::int64_t r = top; r <= bottom; ++r) {
    for (std::int64_t c = left; c <= right; ++c) {
      const std::int64_t i = r * shape.columns + c;
      mask[i] = !outside[static_cast<std::size_t>(i)];
    }
  }
}

}  // namespace stemfast
