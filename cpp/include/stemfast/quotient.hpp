// Division by a number that many share, without dividing.
#pragma once

#include <cmath>

#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// a/b, given y = 1/b rounded to nearest, and rounded as a/b itself is. A fused multiply-add leaves the
// remainder of a quotient; added back once it makes the quotient faithful, twice correctly rounded
// (Markstein 1990, "Computation of elementary functions on the IBM RISC System/6000 processor", IBM J. Res.
// Dev. 34, 111). Not for numbers near the ends of the range of double.
STEMFAST_INLINE double quotient(double a, double b, double y) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  const double q = a * y;
  const double faithful = std::fma(std::fma(-b, q, a), y, q);
  return std::fma(std::fma(-b, faithful, a), y, faithful);
#else
  (void)y;
  return a / b;
#endif
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
