// From 32 random bits to a normal quantile in single precision: what counts and read noise share.
#pragma once

#include <bit>
#include <cstdint>

#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Natural logarithm in single precision for 1e-30 < x ≤ 2, relative error below 3e-7.
inline float logarithm(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x);
  // Moves the mantissa to [√½, √2).
  const std::int32_t shifted = bits - 0x3f3504f3;
  const std::int32_t exponent = shifted >> 23;
  const float m = std::bit_cast<float>(bits - (exponent << 23));
  const float s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
  const float series = s2 * (1.0f / 3.0f + s2 * (1.0f / 5.0f + s2 * (1.0f / 7.0f + s2 * (1.0f / 9.0f))));
  return static_cast<float>(exponent) * 0.693147181f + 2.0f * (s + s * series);
}

// u = (word + ½)/2^32 and its complement 1 − u, each with all the digits a float has; in halves because
// signed conversion is the fast one.
inline void uniform_pair(std::uint32_t word, float& u, float& complement) {
  const auto value = [](std::uint32_t w) {
    const auto high = static_cast<std::int32_t>(w >> 16), low = static_cast<std::int32_t>(w & 0xffffu);
    return (static_cast<float>(high) * 65536.0f + (static_cast<float>(low) + 0.5f)) * 0x1.0p-32f;
  };
  u = value(word);
  complement = value(~word);
}

// erf⁻¹(x)/x as a polynomial in t = −log(1 − x²) = −log(4u(1 − u)), x = 2u − 1 (Giles 2010,
// "Approximating the erfinv function", single precision). Good below this t, where |z| < 2.94.
inline constexpr float central_limit = 5.0f;

inline float central_inverse_erf(float t) {
  const float y = t - 2.5f;
  float e = 2.81022636e-08f;
  e = 3.43273939e-07f + e * y;
  e = -3.5233877e-06f + e * y;
  e = -4.39150654e-06f + e * y;
  e = 0.00021858087f + e * y;
  e = -0.00125372503f + e * y;
  e = -0.00417768164f + e * y;
  e = 0.246640727f + e * y;
  return 1.50140941f + e * y;
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
