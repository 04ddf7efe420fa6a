// Exact Euclidean distances to the nearest pixel of a mask.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace stemfast {

// Distances [px] of all pixels of rows × columns, infinity where the mask holds none. First along the
// columns; then, of each row, the lower envelope of the parabolas that those distances make (Meijster,
// Roerdink and Hesselink 2000). All in whole numbers up to the square root.
inline void distance_to(const bool* mask, std::int64_t rows, std::int64_t columns, double* out) {
  const std::int64_t never = rows + columns;
  std::vector<std::int64_t> along(static_cast<std::size_t>(rows * columns));
  const auto at = [&](std::int64_t i, std::int64_t j) -> std::int64_t& {
    return along[static_cast<std::size_t>(i * columns + j)];
  };
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      at(i, j) = mask[i * columns + j] ? 0 : i == 0 ? never : std::min(at(i - 1, j) + 1, never);
    }
  }
  for (std::int64_t i = rows - 2; i >= 0; --i) {
    for (std::int64_t j = 0; j < columns; ++j) at(i, j) = std::min(at(i, j), at(i + 1, j) + 1);
  }
  // The parabola of `vertex[k]` is the lowest from `from[k]` on.
  std::vector<std::int64_t> vertex(static_cast<std::size_t>(columns)), from(vertex.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto square = [&](std::int64_t x, std::int64_t u) {
      return (x - u) * (x - u) + at(i, u) * at(i, u);
    };
    std::int64_t last = -1;
    for (std::int64_t u = 0; u < columns; ++u) {
      if (at(i, u) >= never) continue;
      while (last >= 0 &&
             square(from[static_cast<std::size_t>(last)], vertex[static_cast<std::size_t>(last)]) >
                 square(from[static_cast<std::size_t>(last)], u)) {
        --last;
      }
      std::int64_t first = 0;
      if (last >= 0) {
        const std::int64_t v = vertex[static_cast<std::size_t>(last)];
        // Where both are equal, rounded down; it lies at or beyond `from`, so nothing is negative.
        first = 1 + (u * u - v * v + at(i, u) * at(i, u) - at(i, v) * at(i, v)) / (2 * (u - v));
        if (first >= columns) continue;
      }
      ++last;
      vertex[static_cast<std::size_t>(last)] = u;
      from[static_cast<std::size_t>(last)] = first;
    }
    for (std::int64_t x = columns - 1; x >= 0; --x) {
      double& own = out[i * columns + x];
      if (last < 0) {
        own = std::numeric_limits<double>::infinity();
        continue;
      }
      own = std::sqrt(static_cast<double>(square(x, vertex[static_cast<std::size_t>(last)])));
      if (x == from[static_cast<std::size_t>(last)]) --last;
    }
  }
}

}  // namespace stemfast
