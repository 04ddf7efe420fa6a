// A closed line sampled evenly, with what an image is like beside each point.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "stemfast/level_line.hpp"

namespace stemfast {

// Points at equal distances along a closed line; from the one farthest from the mean of its points, turning
// from columns towards rows.
struct EvenLine {
  std::vector<LinePoint> points;
  double length = 0.0;
};

struct EvenSpacing {
  double distance;  // about [px]
  std::int64_t fewest, most;
};

// Of a line of at least two different points.
inline EvenLine sampled_evenly(std::vector<LinePoint> line, const EvenSpacing& spacing) {
  if (enclosed_area(line) < 0.0) std::reverse(line.begin(), line.end());
  LinePoint mean{0.0, 0.0};
  for (const LinePoint& p : line) {
    mean.row += p.row / static_cast<double>(line.size());
    mean.column += p.column / static_cast<double>(line.size());
  }
  const auto farther = [mean](const LinePoint& a, const LinePoint& b) {
    return std::hypot(a.row - mean.row, a.column - mean.column) <
           std::hypot(b.row - mean.row, b.column - mean.column);
  };
  std::rotate(line.begin(), std::max_element(line.begin(), line.end(), farther), line.end());
  line.push_back(line.front());
  std::vector<double> along{0.0};
  for (std::size_t k = 1; k < line.size(); ++k) {
    along.push_back(along.back() +
                    std::hypot(line[k].row - line[k - 1].row, line[k].column - line[k - 1].column));
  }
  EvenLine even;
  even.length = along.back();
  const double wanted = std::nearbyint(even.length / spacing.distance);
  const auto n = static_cast<std::int64_t>(
      std::clamp(wanted, static_cast<double>(spacing.fewest), static_cast<double>(spacing.most)));
  std::size_t k = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double at = static_cast<double>(i) * (even.length / static_cast<double>(n));
    while (k + 2 < line.size() && along[k + 1] <= at) ++k;
    const double part = along[k + 1] > along[k] ? (at - along[k]) / (along[k + 1] - along[k]) : 0.0;
    even.points.push_back({line[k].row + part * (line[k + 1].row - line[k].row),
                           line[k].column + part * (line[k + 1].column - line[k].column)});
  }
  return even;
}

// Between the four pixels around a point of an image; `value(row, column)` is only asked within it, the
// outermost pixels go on for ever.
template <class Value>
double between_pixels(LinePoint point, std::int64_t rows, std::int64_t columns, const Value& value) {
  const double r = std::clamp(point.row, 0.0, static_cast<double>(rows - 1));
  const double c = std::clamp(point.column, 0.0, static_cast<double>(columns - 1));
  const auto top = static_cast<std::int64_t>(r), left = static_cast<std::int64_t>(c);
  const std::int64_t bottom = std::min(top + 1, rows - 1), right = std::min(left + 1, columns - 1);
  const double down = r - static_cast<double>(top), across = c - static_cast<double>(left);
  return (1.0 - down) * ((1.0 - across) * value(top, left) + across * value(top, right)) +
         down * ((1.0 - across) * value(bottom, left) + across * value(bottom, right));
}

// Steepness of an image at a point: length of the gradient of its pixels, by differences over two of them
// and at the edges over one.
inline double slope_at(const double* image, std::int64_t rows, std::int64_t columns, LinePoint point) {
  const auto along = [](const double* own, std::int64_t i, std::int64_t n, std::int64_t stride) {
    const std::int64_t before = i > 0 ? 1 : 0, after = i + 1 < n ? 1 : 0;
    if (before + after == 0) return 0.0;
    return (own[after * stride] - own[-before * stride]) / static_cast<double>(before + after);
  };
  return between_pixels(point, rows, columns, [&](std::int64_t r, std::int64_t c) {
    const double* own = image + r * columns + c;
    return std::hypot(along(own, r, rows, columns), along(own, c, columns, 1));
  });
}

}  // namespace stemfast
