// Standard normal numbers, sixty-four at a time: the quantiles of 32-bit uniform ones.
#pragma once

#include <cmath>
#include <cstdint>

#include "stemfast/dose.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/normal_quantile.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// z = √2·erf⁻¹(2u − 1) with u = (word + ½)/2^32, so |z| < 6.34 (Giles 2010, "Approximating the erfinv
// function", single precision). The error is below 2e-6 for |z| < 5 and 3e-3 at the ends.
inline void normal_lanes(const std::uint32_t* word, float* z) {
  float u[dose_group], c[dose_group];
  for (int l = 0; l < dose_group; ++l) {
    uniform_pair(word[l], u[l], c[l]);
  }
  for (int l = 0; l < dose_group; ++l) {
    const float t = -logarithm(4.0f * u[l] * c[l]);
    const float p = central_inverse_erf(t);
    const float s = std::sqrt(t > 0.0f ? t : 0.0f) - 3.0f;
    float q = -0.000200214257f;
    q = 0.000100950558f + q * s;
    q = 0.00134934322f + q * s;
    q = -0.00367342844f + q * s;
    q = 0.00573950773f + q * s;
    q = -0.0076224613f + q * s;
    q = 0.00943887047f + q * s;
    q = 1.00167406f + q * s;
    q = 2.83297682f + q * s;
    z[l] = 1.41421356f * (t < central_limit ? p : q) * (u[l] - c[l]);
  }
}

// Calls work(group, lane, from, count) for the groups of sixty-four that pixels first … first + n − 1 lie
// in: `count` pixels from index `from` of the row, of which the first is lane `lane` of the group.
template <class Work>
void by_groups(std::int64_t first, std::int64_t n, const Work& work) {
  for (std::int64_t done = 0; done < n;) {
    const std::int64_t pixel = first + done, lane = pixel % dose_group;
    const std::int64_t left = n - done, room = dose_group - lane, here = left < room ? left : room;
    work(static_cast<std::uint32_t>(pixel / dose_group), lane, done, here);
    done += here;
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
