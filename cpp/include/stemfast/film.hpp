// The carbon film the particles lie on: a constant thickness, so a constant Σ t/Λ under every pixel.
#pragma once

#include <cstdint>

#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

inline void lay_film(float* depth, std::int64_t n, float film_depth) {
  for (std::int64_t j = 0; j < n; ++j) depth[j] = film_depth;
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
