// The normal distribution function and its density, for profiles that take thousands of values.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

namespace stemfast {

// Probability that a standard normal number lies below z, and the density at z.
struct NormalPoint {
  double below, density;
};

// Taylor's series around the nearest of a table's places, to 1e-15.
class NormalCurve {
 public:
  // Beyond nine deviations both are 0 or 1 to the last bit.
  static NormalPoint at(double z) {
    if (z <= -farthest) return {0.0, 0.0};
    if (z >= farthest) return {1.0, 0.0};
    static const NormalCurve curve;
    const auto place = static_cast<std::int32_t>((z + farthest) * per_unit + 0.5);
    const double from = place / per_unit - farthest, d = z - from;
    const NormalPoint& known = curve.table_[static_cast<std::size_t>(place)];
    // The derivatives of the density are its product with Hermite's polynomials.
    const double h2 = from * from - 1.0, h3 = from * (h2 - 2.0), h4 = from * h3 - 3.0 * h2;
    const double h5 = from * h4 - 4.0 * h3, h6 = from * h5 - 5.0 * h4;
    const double mean =
        1.0 - d * (from * (1.0 / 2.0) -
                   d * (h2 * (1.0 / 6.0) -
                        d * (h3 * (1.0 / 24.0) - d * (h4 * (1.0 / 120.0) - d * (h5 * (1.0 / 720.0))))));
    const double here =
        1.0 -
        d * (from - d * (h2 * (1.0 / 2.0) -
                         d * (h3 * (1.0 / 6.0) - d * (h4 * (1.0 / 24.0) -
                                                      d * (h5 * (1.0 / 120.0) - d * (h6 * (1.0 / 720.0)))))));
    return {known.below + known.density * d * mean, known.density * here};
  }

 private:
  static constexpr double farthest = 9.0, per_unit = 32.0;

  NormalCurve() {
    for (std::size_t k = 0; k < table_.size(); ++k) {
      const double z = static_cast<double>(k) / per_unit - farthest;
      table_[k] = {0.5 * std::erfc(-z / std::numbers::sqrt2),
                   std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi)};
    }
  }

  std::array<NormalPoint, static_cast<std::size_t>(2.0 * farthest * per_unit) + 1> table_;
};

}  // namespace stemfast
