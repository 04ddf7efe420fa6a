// HAADF contrast: the share of the beam that is scattered onto the annular detector.
#pragma once

#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// f = 1 − exp(−Σ t/Λ), in place; `depth` is Σ t/Λ over the materials, each body's weight holding its 1/Λ.
inline void scattered_fraction(float* depth, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) depth[j] = one_minus_exp_neg(depth[j]);
}

// The same for one slab of several, in the order of the beam: `depth` becomes the share scattered in this
// slab, `left` what goes on to the next. The shares of all slabs add up to that of the whole.
inline void scattered_in_slab(float* depth, float* left, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) {
    const float share = left[j] * one_minus_exp_neg(depth[j]);
    left[j] -= share;
    depth[j] = share;
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
