// Shot noise: Poisson counts, exact at every mean.
#pragma once

#include <cmath>
#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/rng.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// log k! for k ≥ 0: Stirling's series from 10 upwards (error below 1e-14), products below.
inline double log_factorial(double k) {
  if (k < 10.0) {
    double product = 1.0;
    for (double i = 2.0; i <= k; i += 1.0) product *= i;
    return logarithm(product);
  }
  constexpr double half_log_two_pi = 0.9189385332046727;
  const double n = k + 1.0, inverse = 1.0 / n, square = inverse * inverse;
  const double series =
      inverse * (1.0 / 12.0 -
                 square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0))));
  return (n - 0.5) * logarithm(n) - n + half_log_two_pi + series;
}

// Below this mean the distribution function is summed up to the uniform number; above it the
// transformed rejection of Hörmann (1993), "The transformed rejection method for generating Poisson
// random variables", algorithm PTRS, tries about 1.1 times a count. Neither approximates.
inline constexpr double rejection_from = 10.0;

// The Poisson count of item (pixel) `item` of a stream.
inline double poisson(const Stream& stream, std::uint32_t item, double mean) {
  if (!(mean > 0.0)) return 0.0;
  if (mean < rejection_from) {
    const Words words = stream.block(item);
    double rest = unit_interval(words[0], words[1]);
    double probability = exponential(-mean), k = 0.0;
    // Past k = 200 the remaining mass is below 1e-180: only rounding could lead there.
    while (rest >= probability && k < 200.0) {
      rest -= probability;
      k += 1.0;
      probability *= mean / k;
    }
    return k;
  }
  const double root = std::sqrt(mean), log_mean = logarithm(mean);
  const double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2.0);
  for (std::uint32_t attempt = 0;; ++attempt) {
    const Words words = stream.block(item, attempt & 0xffffu);
    const double u = open_interval(words[0], words[1]) - 0.5;
    const double v = open_interval(words[2], words[3]);
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2.0 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0.0 || (us < 0.013 && v > us)) continue;
    if (logarithm(v * inverse_alpha / (a / (us * us) + b)) <=
        k * log_mean - mean - log_factorial(k)) {
      return k;
    }
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
