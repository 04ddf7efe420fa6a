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

// clip(round(gain·counts + offset + N(0, read_noise))) for integers; for float neither rounds nor clips.
template <class Level>
Level read_out(double counts, const Electronics& e, const Stream& noise, std::uint32_t pixel) {
  double level = e.gain * counts + e.offset;
  if (e.read_noise > 0.0) level += e.read_noise * standard_normal(noise.block(pixel));
  if constexpr (std::is_floating_point_v<Level>) {
    return static_cast<Level>(level);
  } else {
    constexpr double top = std::numeric_limits<Level>::max();
    const double rounded = std::floor(level + 0.5);
    return static_cast<Level>(rounded < 0.0 ? 0.0 : (rounded > top ? top : rounded));
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
