// Pixels inside a star-convex outline.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>

namespace stemfast {

// Whether each pixel of rows × columns lies inside the polygon through the ends of the rays, which leave
// (row, column) at equal angles, the first along the columns. The pixel (0, 0) is the window's first.
inline void star_mask(double row, double column, std::span<const double> radii, std::int64_t rows,
                      std::int64_t columns, bool* inside) {
  constexpr double turn = 2.0 * std::numbers::pi;
  const auto n = static_cast<std::int64_t>(radii.size());
  const double rays_per_radian = static_cast<double>(n) / turn, step = turn / static_cast<double>(n);
  const double sine = std::sin(step);
  // No chord comes nearer to the middle than that, none goes farther: the angle matters between the two.
  const auto [least, most] = std::minmax_element(radii.begin(), radii.end());
  const double near = *least * std::cos(0.5 * step) * (1.0 - 1e-9), far = *most * (1.0 + 1e-9);
  for (std::int64_t i = 0; i < rows; ++i) {
    const double y = static_cast<double>(i) - row;
    for (std::int64_t j = 0; j < columns; ++j, ++inside) {
      const double x = static_cast<double>(j) - column, square = y * y + x * x;
      if (square < near * near || square > far * far) {
        *inside = square < near * near;
        continue;
      }
      double angle = std::atan2(y, x);
      if (angle < 0.0) angle += turn;
      const double position = angle * rays_per_radian;
      const auto ray = std::min(static_cast<std::int64_t>(position), n - 1);
      const double past = (position - static_cast<double>(ray)) * step;
      const double first = radii[static_cast<std::size_t>(ray)],
                   second = radii[static_cast<std::size_t>((ray + 1) % n)];
      const double beyond = std::hypot(y, x) * (first * std::sin(past) + second * std::sin(step - past));
      *inside = beyond <= first * second * sine;
    }
  }
}

}  // namespace stemfast
