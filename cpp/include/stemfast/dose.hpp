// Shot noise: Poisson counts, exact at every mean.
//
// A count is the quantile of one uniform number: the smallest k with F(k) > v, v of 53 bits. Its first 32
// bits and single precision settle nearly every pixel, sixty-four at a time in vector code; a pixel is
// only taken as settled where the answer is farther from a step of F than all errors together. The rest,
// about one in a hundred, get the other bits and F summed in double. Either way the count is the same.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/normal_quantile.hpp"
#include "stemfast/rng.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Pixels are worked on in groups of so many, each with the 64 words of 16 blocks of random numbers.
inline constexpr std::int64_t dose_group = 64;

// Below this mean F is summed upwards from 0; above it the count comes from an expansion.
inline constexpr float expansion_from = 10.0f;

// ---- exact, one at a time ------------------------------------------------------------------------------

// log k! − Stirling's formula without its series, for k ≥ 1 (Loader 2000, "Fast and accurate computation
// of binomial probabilities").
inline double stirling_error(double k) {
  if (k < 16.0) {
    double product = 1.0;
    for (double i = 2.0; i <= k; i += 1.0) product *= i;
    constexpr double half_log_two_pi = 0.9189385332046727;
    return logarithm(product) - (k + 0.5) * logarithm(k) + k - half_log_two_pi;
  }
  const double square = k * k;
  return (1.0 / 12.0 -
          (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * square)) / square) / square) /
              square) /
         k;
}

// k·log(k/mean) + mean − k without cancellation (Loader's deviance).
inline double deviance(double k, double mean) {
  if (std::abs(k - mean) >= 0.1 * (k + mean)) return k * logarithm(k / mean) + mean - k;
  const double v = (k - mean) / (k + mean), v2 = v * v;
  double sum = (k - mean) * v, term = 2.0 * k * v;
  for (int j = 1; j < 40; ++j) {
    term *= v2;
    const double next = sum + term / (2 * j + 1);
    if (next == sum) break;
    sum = next;
  }
  return sum;
}

inline double poisson_probability(double k, double mean) {
  if (k == 0.0) return exponential(-mean);
  constexpr double two_pi = 6.283185307179586;
  const double exponent = -stirling_error(k) - deviance(k, mean);
  return exponent < -700.0 ? 0.0 : exponential(exponent) / std::sqrt(two_pi * k);
}

// The smallest k with F(k) > v, v = (bits + ½)/2^53, mean > 0.
inline double poisson_quantile(std::uint64_t bits, double mean) {
  constexpr std::uint64_t one = std::uint64_t{1} << 53;
  const double lower = (static_cast<double>(bits) + 0.5) * 0x1.0p-53;
  const double upper = (static_cast<double>(one - 1 - bits) + 0.5) * 0x1.0p-53;
  // A first guess from the normal quantile (Abramowitz and Stegun 26.2.23, error below 5e-4).
  const double tail = lower < upper ? lower : upper;
  const double t = std::sqrt(-2.0 * logarithm(tail));
  double z =
      t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  if (lower < upper) z = -z;
  const double guess = std::floor(mean + std::sqrt(mean) * z + (2.0 + z * z) / 6.0);
  double k = guess > 0.0 ? guess : 0.0;
  double p = poisson_probability(k, mean);

  if (lower < upper) {
    // F(k) from its largest term downwards.
    double f = 0.0, term = p;
    for (double i = k; term > 1e-18 * f && i >= 0.0; i -= 1.0) {
      f += term;
      term *= i / mean;
    }
    while (k > 0.0 && f - p > lower) {
      f -= p;
      p *= k / mean;
      k -= 1.0;
    }
    while (f <= lower) {
      k += 1.0;
      p *= mean / k;
      f += p;
    }
    return k;
  }
  // 1 − F(k), likewise upwards.
  double s = 0.0, term = p;
  for (double i = k + 1.0;; i += 1.0) {
    term *= mean / i;
    if (!(term > 1e-18 * s)) break;
    s += term;
  }
  while (k > 0.0 && s + p < upper) {
    s += p;
    p *= k / mean;
    k -= 1.0;
  }
  while (s >= upper) {
    k += 1.0;
    p *= mean / k;
    s -= p;
    if (!(p > 0.0)) break;
  }
  return k;
}

// ---- single precision, sixty-four at a time ------------------------------------------------------------

struct DoseLanes {
  float mean[dose_group];
  std::uint32_t word[dose_group];
  std::int32_t count[dose_group];
  std::int32_t doubtful[dose_group];
};

// Means below `expansion_from`: F is summed until it passes u. Lanes above it are left alone.
inline void count_by_summation(DoseLanes& lanes) {
  // Above the rounding of u to 24 bits and of at most forty terms.
  constexpr float margin = 4e-6f;
  constexpr int most_terms = 40;
  float mean[dose_group], u[dose_group], p[dose_group], f[dose_group], doubt[dose_group];
  std::int32_t k[dose_group];
  for (int l = 0; l < dose_group; ++l) {
    const float m = lanes.mean[l];
    mean[l] = m < expansion_from ? m : 0.0f;
    u[l] = static_cast<float>(static_cast<std::int32_t>(lanes.word[l] >> 8)) * 0x1.0p-24f;
    k[l] = 0;
    doubt[l] = 1.0f;
  }
  for (int l = 0; l < dose_group; ++l) f[l] = p[l] = exp_neg(mean[l]);
  for (int i = 1; i <= most_terms; ++i) {
    const float inverse = 1.0f / static_cast<float>(i);
    std::int32_t open = 0;  // lanes whose sum has not passed u
    for (int l = 0; l < dose_group; ++l) {
      const float gap = std::abs(u[l] - f[l]);
      doubt[l] = gap < doubt[l] ? gap : doubt[l];
      const std::int32_t below = u[l] >= f[l] ? 1 : 0;
      k[l] += below;
      p[l] *= mean[l] * inverse;
      f[l] += p[l];
      open += below;
    }
    if (open == 0) break;
  }
  for (int l = 0; l < dose_group; ++l) {
    // A sum that never passed u is as doubtful as a near miss; a mean of nothing is not.
    const std::int32_t near = (doubt[l] > margin ? 0 : 1) | (u[l] < f[l] ? 0 : 1);
    const std::int32_t unsure = lanes.mean[l] > 0.0f ? near : 0;
    const bool mine = lanes.mean[l] < expansion_from;
    lanes.count[l] = mine ? k[l] : lanes.count[l];
    lanes.doubtful[l] = mine ? unsure : lanes.doubtful[l];
  }
}

// Means from `expansion_from` upwards: count = ⌊X⌋ with F's continuation Q(X, mean) = u, and X by its
// expansion in 1/√mean about the normal quantile z (Giles 2016, "Algorithm 955: approximation of the
// inverse Poisson cumulative distribution function"). The last term's coefficients are a fit; for
// |z| < 2.94 what is left of the error is below 0.62/mean² (a test measures it).
inline void count_by_expansion(DoseLanes& lanes) {
  float mean[dose_group], u[dose_group], c[dose_group], x[dose_group];
  std::int32_t unsure[dose_group];
  for (int l = 0; l < dose_group; ++l) {
    mean[l] = lanes.mean[l] >= expansion_from ? lanes.mean[l] : expansion_from;
    uniform_pair(lanes.word[l], u[l], c[l]);
  }
  for (int l = 0; l < dose_group; ++l) {
    const float t = -logarithm(4.0f * u[l] * c[l]);
    const float z = 1.41421356f * central_inverse_erf(t) * (u[l] - c[l]), z2 = z * z;

    const float root = std::sqrt(mean[l]), s = 1.0f / root;
    float sum = z * (0.01725924f - z2 * (0.00352279f + z2 * 0.00133122f));
    sum = -8.0f / 405.0f + z2 * (7.0f / 810.0f + z2 * (1.0f / 270.0f)) + s * sum;
    sum = -z * (1.0f / 36.0f + z2 * (1.0f / 72.0f)) + s * sum;
    sum = (1.0f / 3.0f + z2 * (1.0f / 6.0f)) + s * sum;
    // Whole and fractional part of the mean apart: the sum would lose the fraction of a large one.
    sum = (mean[l] - std::floor(mean[l])) + (root * z + sum);
    x[l] = std::floor(sum);
    // The expansion's error and that of single precision, doubled for good measure.
    const float margin = 0.7f * (s * s) * (s * s) + 6e-6f * root + 2e-5f;
    const float rest = sum - x[l], room = rest < 1.0f - rest ? rest : 1.0f - rest;
    unsure[l] = (room > margin ? 0 : 1) | (t < central_limit ? 0 : 1);
  }
  for (int l = 0; l < dose_group; ++l) {
    const auto count = static_cast<std::int32_t>(mean[l]) + static_cast<std::int32_t>(x[l]);
    const bool mine = lanes.mean[l] >= expansion_from;
    lanes.count[l] = mine ? count : lanes.count[l];
    lanes.doubtful[l] = mine ? unsure[l] : lanes.doubtful[l];
  }
}

// The Poisson counts of pixels first … first + n − 1 of a stream, for means from 0 to 2^30.
inline void poisson(const Stream& stream, std::int64_t first, const float* mean, std::int64_t n,
                    std::int32_t* count) {
  DoseLanes lanes;
  for (std::int64_t done = 0; done < n;) {
    const std::int64_t pixel = first + done, lane = pixel % dose_group;
    const auto g = static_cast<std::uint32_t>(pixel / dose_group);
    const std::int64_t left = n - done, room = dose_group - lane, here = left < room ? left : room;
    float highest = 0.0f, lowest = expansion_from;
    if (here < dose_group) {
      for (float& m : lanes.mean) m = 0.0f;
    }
    for (std::int64_t l = 0; l < here; ++l) {
      const float m = mean[done + l];
      lanes.mean[lane + l] = m;
      highest = m > highest ? m : highest;
      lowest = m < lowest ? m : lowest;
    }
    // Word l of group g is word l/16 of block 16·g + l%16.
    sixteen_blocks(stream.counter(g * 16), stream.key(), lanes.word);
    if (lowest < expansion_from || here < dose_group) count_by_summation(lanes);
    if (highest >= expansion_from) count_by_expansion(lanes);
    std::int32_t doubt = 0;
    for (const std::int32_t d : lanes.doubtful) doubt |= d;
    for (std::int64_t l = lane; doubt != 0 && l < lane + here; ++l) {
      if (lanes.doubtful[l] == 0) continue;
      const auto block = g * 16 + static_cast<std::uint32_t>(l % 16);
      const std::uint32_t more = stream.block(block, 1)[static_cast<std::size_t>(l / 16)];
      const std::uint64_t bits = std::uint64_t{lanes.word[l]} << 21 | more >> 11;
      lanes.count[l] = static_cast<std::int32_t>(poisson_quantile(bits, static_cast<double>(lanes.mean[l])));
    }
    std::copy(lanes.count + lane, lanes.count + lane + here, count + done);
    done += here;
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
