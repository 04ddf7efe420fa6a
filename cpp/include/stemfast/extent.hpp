// Which pixels a labelled particle reaches: those above the lowest level that still bounds it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "stemfast/flood.hpp"

namespace stemfast {

struct Reach {
  double limit;       // distance from the label that the particle may not pass [px]
  double most_leaks;  // share of the pixels in the last one before that limit
};

// Number of the first level that bounds the particle, and its pixels, without holes, in `mask`: of the pieces
// above the level (eight neighbours) the one that shares most pixels with the label. −1 and the label itself
// where no level does. `mine` holds the pixels that it may reach, `beyond` their distance from the label.
inline std::int64_t extent_of(MaskShape shape, const double* above, const bool* own, const bool* mine,
                              const double* beyond, std::span<const double> levels, const Reach& reach,
                              bool* mask) {
  const auto near = [&](std::int64_t i) { return mine[i] && beyond[i] <= reach.limit; };
  const auto last = [&](std::int64_t i) { return near(i) && beyond[i] > reach.limit - 1.0; };
  std::int64_t outermost = 0;
  for (std::int64_t i = 0; i < shape.size(); ++i) outermost += last(i);
  for (std::size_t k = 0; k < levels.size(); ++k) {
    std::vector<char> seen(static_cast<std::size_t>(shape.size()), 0);
    const auto open = [&](std::int64_t i) { return near(i) && above[i] > levels[k]; };
    std::vector<std::int64_t> best;
    std::int64_t most = 0;
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      if (!own[i] || seen[static_cast<std::size_t>(i)] || !open(i)) continue;
      std::vector<std::int64_t> piece = flood(shape, i, true, seen, open);
      std::int64_t shared = 0;
      for (const std::int64_t pixel : piece) shared += own[pixel];
      if (shared > most) {
        most = shared;
        best = std::move(piece);
      }
    }
    if (best.empty()) break;
    std::int64_t leaks = 0;
    for (const std::int64_t pixel : best) leaks += last(pixel);
    if (static_cast<double>(leaks) >=
        reach.most_leaks * static_cast<double>(std::max<std::int64_t>(outermost, 1)))
      continue;
    std::fill_n(mask, shape.size(), false);
    for (const std::int64_t pixel : best) mask[pixel] = true;
    fill_holes(shape, mask);
    return static_cast<std::int64_t>(k);
  }
  std::copy_n(own, shape.size(), mask);
  fill_holes(shape, mask);
  return -1;
}

}  // namespace stemfast
