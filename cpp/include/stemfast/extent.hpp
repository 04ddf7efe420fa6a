// Which pixels a labelled particle reaches: those above the lowest level that still bounds it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
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
  std::vector<char> outside(static_cast<std::size_t>(shape.size()), 0);
  const auto empty = [mask](std::int64_t i) { return !mask[i]; };
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    const std::int64_t r = i / shape.columns, c = i % shape.columns;
    const bool border = r == 0 || c == 0 || r + 1 == shape.rows || c + 1 == shape.columns;
    if (border && empty(i) && !outside[static_cast<std::size_t>(i)]) flood(shape, i, false, outside, empty);
  }
  for (std::int64_t i = 0; i < shape.size(); ++i) mask[i] = !outside[static_cast<std::size_t>(i)];
}

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
