// Contrast: the share of the beam that is scattered onto the detector.
#pragma once

#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/scene.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// h(τ) = τ + x²(c₁ + c₂x + c₃x²) − lost·(τ − x) with x = min(τ, limit): how plural scattering bends the
// exponential. Python's `stemfast.scattering` fits the numbers; with all of them 0, h = τ.
class PluralScattering {
 public:
  explicit PluralScattering(const ScatteringCurve& curve)
      : c1_(static_cast<float>(curve.c1)),
        c2_(static_cast<float>(curve.c2)),
        c3_(static_cast<float>(curve.c3)),
        limit_(static_cast<float>(curve.limit)),
        lost_(static_cast<float>(curve.lost)) {}

  float exponent(float depth) const {
    const float x = depth < limit_ ? depth : limit_;
    return depth + (x * x) * (c1_ + x * (c2_ + x * c3_)) - lost_ * (depth - x);
  }

  float fraction(float depth) const { return one_minus_exp_neg(exponent(depth)); }

 private:
  float c1_, c2_, c3_, limit_, lost_;
};

// f = 1 − exp(−h), in place; `depth` is Σ t/Λ over the materials, each body's weight holding its 1/Λ.
inline void scattered_fraction(const ScatteringCurve& curve, float* depth, std::int64_t n) {
  const PluralScattering plural(curve);
  for (std::int64_t j = 0; j < n; ++j) depth[j] = plural.fraction(depth[j]);
}

// The same for one slab of several, in the order of the beam: `depth` becomes what this slab adds to the
// fraction scattered by those above it, whose depth is `above`, and `above` goes on with it. What all slabs
// add makes up that of the whole.
inline void scattered_in_slab(const ScatteringCurve& curve, float* depth, float* above, std::int64_t n) {
  const PluralScattering plural(curve);
  for (std::int64_t j = 0; j < n; ++j) {
    const float before = above[j], after = before + depth[j];
    depth[j] = plural.fraction(after) - plural.fraction(before);
    above[j] = after;
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
