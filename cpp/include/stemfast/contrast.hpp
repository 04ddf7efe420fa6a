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

}  // namespace STEMFAST_ISA
}  // namespace stemfast
