// The detector's electronics: counts to grey levels.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "stemfast/isa.hpp"
#include "stemfast/rng.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

struct Electronics {
  double gain, offset, read_noise;
};

// clip(round(level)) for integers; float is neither rounded nor clipped.
template <class Level>
Level quantise(double level) {
  if constexpr (std::is_floating_point_v<Level>) {
    return static_cast<Level>(level);
  } else {
    constexpr double top = std::numeric_limits<Level>::max();
    double rounded = std::floor(level + 0.5);
    rounded = rounded > 0.0 ? rounded : 0.0;
    rounded = rounded < top ? rounded : top;
    return static_cast<Level>(static_cast<std::int32_t>(rounded));
  }
}

// gain·counts + offset + N(0, read_noise) of pixels first … first + n − 1, quantised.
template <class Level>
void read_out(const std::int32_t* count, std::int64_t first, std::int64_t n, const Electronics& e,
              const Stream& noise, Level* out) {
  if (e.read_noise > 0.0) {
    for (std::int64_t j = 0; j < n; ++j) {
      const Words words = noise.block(static_cast<std::uint32_t>(first + j));
      const double clean = e.gain * static_cast<double>(count[j]) + e.offset;
      out[j] = quantise<Level>(clean + e.read_noise * standard_normal(words));
    }
    return;
  }
  for (std::int64_t j = 0; j < n; ++j) {
    out[j] = quantise<Level>(e.gain * static_cast<double>(count[j]) + e.offset);
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
