// The piece of a mask that is large and near the middle.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "stemfast/flood.hpp"

namespace stemfast {

// Keeps, of the pieces of a mask (four neighbours), the one of the largest area × (1 − distance of its centre
// from the middle), the distance being the larger one of both directions in units of the sides; without
// holes. False, and an empty mask, where it has fewer than `fewest` pixels.
inline bool keep_central_piece(MaskShape shape, std::int64_t fewest, bool* mask) {
  std::vector<char> seen(static_cast<std::size_t>(shape.size()), 0);
  const auto open = [mask](std::int64_t i) { return mask[i]; };
  std::vector<std::int64_t> best;
  double most = -1.0;
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    if (!mask[i] || seen[static_cast<std::size_t>(i)]) continue;
    std::vector<std::int64_t> piece = flood(shape, i, false, seen, open);
    std::int64_t row = 0, column = 0;
    for (const std::int64_t pixel : piece) {
      row += pixel / shape.columns;
      column += pixel % shape.columns;
    }
    const auto area = static_cast<double>(piece.size());
    const auto off = [area](std::int64_t sum, std::int64_t n) {
      return std::abs(static_cast<double>(sum) / area / static_cast<double>(n) - 0.5);
    };
    const double score = area * (1.0 - std::max(off(row, shape.rows), off(column, shape.columns)));
    if (score > most) {
      most = score;
      best = std::move(piece);
    }
  }
  std::fill_n(mask, shape.size(), false);
  if (static_cast<std::int64_t>(best.size()) < fewest) return false;
  for (const std::int64_t pixel : best) mask[pixel] = true;
  fill_holes(shape, mask);
  return true;
}

}  // namespace stemfast
