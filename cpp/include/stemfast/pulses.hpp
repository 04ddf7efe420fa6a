// Excess noise: electrons do not all make the same charge.
//
// Each electron's pulse is gamma-distributed with the mean 1 and the variance `excess`, as a
// photomultiplier's is to good approximation; the charge of N of them is then gamma-distributed with the
// mean N and the variance N·excess.
#pragma once

#include <cmath>
#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/normal.hpp"
#include "stemfast/rng.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Marsaglia and Tsang 2000, "A simple method for generating gamma variables": with x normal and u uniform,
// d·(1 + c·x)³ is gamma-distributed with the shape d + 1/3 if it passes a test, which it nearly always does.
class GammaShape {
 public:
  explicit GammaShape(double shape) : d_(shape - 1.0 / 3.0), c_(1.0 / std::sqrt(9.0 * d_)) {}

  double value(double x) const {
    const double t = 1.0 + c_ * x;
    return d_ * t * t * t;
  }
  // Passes most of what `passes` does, without a logarithm.
  bool clearly_passes(double x, double u) const {
    return 1.0 + c_ * x > 0.0 && u < 1.0 - 0.0331 * (x * x) * (x * x);
  }
  bool passes(double x, double u) const {
    const double t = 1.0 + c_ * x;
    if (t <= 0.0) return false;
    const double v = t * t * t;
    return logarithm(u) < 0.5 * x * x + d_ * (1.0 - v + logarithm(v));
  }

 private:
  double d_, c_;
};

// A gamma-distributed number for a pixel whose first attempt did not pass, or whose shape is below 1.
inline double gamma_variate(double shape, const Stream& noise, std::uint32_t pixel) {
  // Attempt 0 belongs to the lanes, the last one to shapes below 1: G(k) = G(k + 1)·U^(1/k).
  constexpr std::uint32_t last = 0xffffu;
  double factor = 1.0;
  if (shape < 1.0) {
    const Words words = noise.block(pixel, last);
    const double exponent = logarithm(open_interval(words[0], words[1])) / shape;
    factor = exponent > -700.0 ? exponential(exponent) : 0.0;
    shape += 1.0;
  }
  const GammaShape gamma(shape);
  for (std::uint32_t attempt = 1; attempt < last; ++attempt) {
    const Words words = noise.block(pixel, attempt);
    const double x = standard_normal({words[0], words[1], words[2], 0});
    if (gamma.passes(x, (static_cast<double>(words[3]) + 0.5) * 0x1.0p-32)) return factor * gamma.value(x);
  }
  return factor * gamma.value(0.0);  // never reached: each attempt passes with 95 % or more
}

// The charge of pixels first … first + n − 1.
inline void multiply(const std::int32_t* count, std::int64_t first, std::int64_t n, double excess,
                     const Stream& noise, double* charge) {
  // Uniform numbers for the test come from groups that no image has pixels for.
  constexpr std::uint32_t apart = 1u << 27;
  by_groups(first, n, [&](std::uint32_t g, std::int64_t lane, std::int64_t from, std::int64_t here) {
    std::uint32_t word[dose_group], test[dose_group];
    float x[dose_group];
    std::int32_t passed[dose_group];
    sixteen_blocks(noise.counter(g * 16), noise.key(), word);
    sixteen_blocks(noise.counter((g + apart) * 16), noise.key(), test);
    normal_lanes(word, x);
    for (std::int64_t l = 0; l < here; ++l) {
      const double shape = static_cast<double>(count[from + l]) / excess;
      const double high = static_cast<double>(static_cast<std::int32_t>(test[lane + l] >> 1));
      const double u = (high + 0.5) * 0x1.0p-31, z = static_cast<double>(x[lane + l]);
      const GammaShape gamma(shape > 1.0 ? shape : 1.0);
      charge[from + l] = count[from + l] > 0 ? excess * gamma.value(z) : 0.0;
      passed[l] = (gamma.clearly_passes(z, u) && shape >= 1.0) || count[from + l] == 0 ? 1 : 0;
    }
    for (std::int64_t l = 0; l < here; ++l) {
      if (passed[l] != 0) continue;
      const double shape = static_cast<double>(count[from + l]) / excess;
      const double u = (static_cast<double>(test[lane + l] >> 1) + 0.5) * 0x1.0p-31;
      if (shape >= 1.0 && GammaShape(shape).passes(static_cast<double>(x[lane + l]), u)) continue;
      charge[from + l] = excess * gamma_variate(shape, noise, static_cast<std::uint32_t>(first + from + l));
    }
  });
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
