// exp, log, sine and cosine that give the same bits on every machine. The C library's differ between
// versions in the last place, and one flipped bit in a mean flips a Poisson count. Only IEEE
// operations (+ − × ÷ √ and rounding) are used, in a fixed order and without fused multiply-add.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// exp(−x) = scale·(1 + rest) in float, for x ≥ −80; branch-free so that a loop over it becomes vector code.
struct ExpParts {
  float scale, rest;
};

inline ExpParts exp_neg_parts(float x) {
  constexpr float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  const float y = x < 80.0f ? -x : -80.0f;
  // Adding and taking away 1.5·2^23 rounds to the nearest integer.
  const float shifted = y * log2e + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (y - n * ln2_high) - n * ln2_low;  // |r| ≤ ln2/2
  // expm1(r) by Taylor's series; the first term left out is below 2^-27 r.
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  const auto exponent = static_cast<std::int32_t>(n) + 127;
  const float scale = std::bit_cast<float>(static_cast<std::uint32_t>(exponent) << 23);
  return {scale, r + (r * r) * p};
}

inline float exp_neg(float x) {
  const ExpParts e = exp_neg_parts(x);
  return e.scale + e.scale * e.rest;
}

// 1 − exp(−x) to 2 ulp also where x is small.
inline float one_minus_exp_neg(float x) {
  const ExpParts e = exp_neg_parts(x);
  return (1.0f - e.scale) - e.scale * e.rest;
}

// exp(x) for |x| < 700 [double].
inline double exponential(double x) {
  constexpr double log2e = 1.4426950408889634, ln2_high = 6.93147180369123816490e-01,
                   ln2_low = 1.90821492927058770002e-10;
  const double n = std::floor(x * log2e + 0.5);
  const double r = (x - n * ln2_high) - n * ln2_low;
  // Taylor's series; the first term left out is below 1e-18.
  double sum = 1.0 / 87178291200.0;
  sum = sum * r + 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  sum = 1.0 + (r + (r * r) * sum);
  const auto exponent = static_cast<std::uint64_t>(static_cast<std::int64_t>(n) + 1023);
  return sum * std::bit_cast<double>(exponent << 52);
}

// Natural logarithm of a positive normal number.
inline double logarithm(double x) {
  constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<std::int64_t>(bits >> 52) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL);
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    exponent += 1;
  }
  // log m = 2 artanh s with s = (m − 1)/(m + 1), |s| < 0.172.
  const double s = (mantissa - 1.0) / (mantissa + 1.0), s2 = s * s;
  double series = 0.0;
  for (int k = 21; k >= 3; k -= 2) series = (series + 1.0 / k) * s2;
  const auto e = static_cast<double>(exponent);
  return e * ln2_high + (2.0 * s + (2.0 * s * series + e * ln2_low));
}

struct SinCos {
  double sine, cosine;
};

// Sine and cosine of `turns` full turns, for |turns| < 2^50.
inline SinCos sin_cos_turns(double turns) {
  const double quarter = std::floor(turns * 4.0 + 0.5);
  const double x = (turns - quarter * 0.25) * 6.283185307179586;  // |x| ≤ π/4
  const double x2 = x * x;
  // Taylor's series; the first terms left out are below 1e-18.
  double s = -1.0 / 121645100408832000.0;
  s = s * x2 + 1.0 / 355687428096000.0;
  s = s * x2 - 1.0 / 1307674368000.0;
  s = s * x2 + 1.0 / 6227020800.0;
  s = s * x2 - 1.0 / 39916800.0;
  s = s * x2 + 1.0 / 362880.0;
  s = s * x2 - 1.0 / 5040.0;
  s = s * x2 + 1.0 / 120.0;
  s = s * x2 - 1.0 / 6.0;
  s = x + x * (x2 * s);
  double c = 1.0 / 2432902008176640000.0;
  c = c * x2 - 1.0 / 6402373705728000.0;
  c = c * x2 + 1.0 / 20922789888000.0;
  c = c * x2 - 1.0 / 87178291200.0;
  c = c * x2 + 1.0 / 479001600.0;
  c = c * x2 - 1.0 / 3628800.0;
  c = c * x2 + 1.0 / 40320.0;
  c = c * x2 - 1.0 / 720.0;
  c = c * x2 + 1.0 / 24.0;
  c = c * x2 - 0.5;
  c = 1.0 + x2 * c;
  switch (static_cast<std::int64_t>(quarter) & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

// The angle of the point (x, y) in the first quadrant, x ≥ 0, y ≥ 0 and not both zero [rad].
inline double angle_of(double y, double x) {
  constexpr double half_pi = 1.5707963267948966;
  const bool steep = y > x;
  double t = steep ? x / y : y / x;
  // artan t = 2 artan(t/(1 + √(1 + t²))), twice: the series then starts from |t| < 0.199.
  for (int halving = 0; halving < 2; ++halving) t = t / (1.0 + std::sqrt(1.0 + t * t));
  const double t2 = t * t;
  double series = 0.0;
  for (int k = 25; k >= 1; k -= 2) series = 1.0 / k - t2 * series;
  const double angle = 4.0 * t * series;
  return steep ? half_pi - angle : angle;
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
