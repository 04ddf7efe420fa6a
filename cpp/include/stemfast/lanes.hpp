// Eight doubles that are summed side by side: one register where the machine has registers so wide.
#pragma once

#include <cstdint>
#include <cstring>

#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

constexpr std::int64_t lanes = 8;

#if defined(__GNUC__)
// Left to a loop over its entries, the compiler takes the sums apart.
using Lanes = double __attribute__((vector_size(lanes * sizeof(double))));
#else
struct Lanes {
  double value[lanes];
};
#endif

// sum += factor · from[0 … 7]
STEMFAST_INLINE void add_product(double factor, const double* from, Lanes& sum) {
#if defined(__GNUC__)
  Lanes values;
  std::memcpy(&values, from, sizeof values);
  sum += factor * values;
#else
  for (std::int64_t j = 0; j < lanes; ++j) sum.value[j] += factor * from[j];
#endif
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
