// The threshold that parts an image into dark and bright pixels, their contrast and their noise.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stemfast/median.hpp"

namespace stemfast {

// Otsu's threshold: the edge of one of 256 bins that leaves the least variance within the two parts. The
// image holds at least one pixel.
inline double otsu_threshold(std::span<const double> image) {
  constexpr std::size_t n = 256;
  const auto [least, most] = std::minmax_element(image.begin(), image.end());
  const bool even = *least == *most;
  const double low = even ? *least - 0.5 : *least, high = even ? *most + 0.5 : *most;
  std::array<double, n + 1> edge;
  for (std::size_t k = 0; k < n; ++k) {
    edge[k] = static_cast<double>(k) * ((high - low) / static_cast<double>(n)) + low;
  }
  edge[n] = high;
  std::array<double, n> count{};
  for (const double value : image) {
    auto k = std::min(static_cast<std::size_t>((value - low) / (high - low) * static_cast<double>(n)), n - 1);
    // The edges decide, not how their distance was rounded.
    if (value < edge[k]) --k;
    if (k + 1 < n && value >= edge[k + 1]) ++k;
    count[k] += 1.0;
  }
  const auto total = static_cast<double>(image.size());
  std::array<double, n> below, first;
  double number = 0.0, moment = 0.0;
  for (std::size_t k = 0; k < n; ++k) {
    below[k] = number += count[k];
    first[k] = moment += count[k] * (0.5 * (edge[k] + edge[k + 1]));
  }
  double best = -1.0, threshold = edge[1];
  for (std::size_t k = 0; k + 1 < n; ++k) {
    const double above = total - below[k];
    const double apart =
        first[k] / std::max(below[k], 1.0) - (first[n - 1] - first[k]) / std::max(above, 1.0);
    const double between = below[k] * above * (apart * apart);
    if (between > best) {
      best = between;
      threshold = edge[k + 1];
    }
  }
  return threshold;
}

// Of the pixels above a threshold: the median response of a mixed second difference, which flat and slowly
// curving brightness does not excite (Immerkaer 1996), and how far their median lies above that of the rest.
// Both are 0 where no such pixel has all its neighbours, or all pixels are above.
struct Grain {
  double response = 0.0, contrast = 0.0;
};

inline Grain grain_of(const double* image, std::int64_t rows, std::int64_t columns, double threshold) {
  std::vector<double> response, bright, dark;
  const auto across = [image, columns](std::int64_t r, std::int64_t c) {
    const double *own = image + r * columns + c, *before = own - columns, *after = own + columns;
    return *before - 2.0 * *own + *after;
  };
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const double value = image[r * columns + c];
      (value > threshold ? bright : dark).push_back(value);
      const bool inner = r > 0 && r + 1 < rows && c > 0 && c + 1 < columns;
      if (!inner || !(value > threshold)) continue;
      response.push_back(std::abs(across(r, c - 1) - 2.0 * across(r, c) + across(r, c + 1)));
    }
  }
  if (response.empty() || dark.empty()) return {};
  return {median(response), median(bright) - median(dark)};
}

}  // namespace stemfast
