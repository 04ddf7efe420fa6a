// The detector: counted electrons to charge, charge to grey levels.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/rng.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

struct Electronics {
  double gain, offset, read_noise;
};

// Pixels whose value did not fit into the output's range.
struct Clipped {
  std::int64_t above = 0, below = 0;
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

template <class Level>
void note_clipping(double level, Clipped& clipped) {
  if constexpr (!std::is_floating_point_v<Level>) {
    constexpr double top = std::numeric_limits<Level>::max();
    clipped.above += level + 0.5 >= top + 1.0 ? 1 : 0;
    clipped.below += level + 0.5 < 0.0 ? 1 : 0;
  }
}

// gain·charge + offset + N(0, read_noise) of pixels first … first + n − 1, quantised. The charge is in
// electrons: counts, or numbers that are not whole where the detector made them so.
template <class Level, class Charge>
void read_out(const Charge* charge, std::int64_t first, std::int64_t n, const Electronics& e,
              const Stream& noise, Level* out, Clipped& clipped) {
  if (e.read_noise > 0.0) {
    for (std::int64_t j = 0; j < n; ++j) {
      const Words words = noise.block(static_cast<std::uint32_t>(first + j));
      const double clean = e.gain * static_cast<double>(charge[j]) + e.offset;
      const double level = clean + e.read_noise * standard_normal(words);
      out[j] = quantise<Level>(level);
      note_clipping<Level>(level, clipped);
    }
    return;
  }
  Charge least = charge[0], most = charge[0];
  for (std::int64_t j = 0; j < n; ++j) {
    least = charge[j] < least ? charge[j] : least;
    most = charge[j] > most ? charge[j] : most;
    out[j] = quantise<Level>(e.gain * static_cast<double>(charge[j]) + e.offset);
  }
  // The gain is positive: only where an end of the row was clipped is there anything to count.
  Clipped ends;
  note_clipping<Level>(e.gain * static_cast<double>(least) + e.offset, ends);
  note_clipping<Level>(e.gain * static_cast<double>(most) + e.offset, ends);
  if (ends.above + ends.below == 0) return;
  for (std::int64_t j = 0; j < n; ++j) {
    note_clipping<Level>(e.gain * static_cast<double>(charge[j]) + e.offset, clipped);
  }
}

// A gamma-distributed number with the mean and the variance `shape` (Marsaglia and Tsang 2000, "A simple
// method for generating gamma variables"); one block of `noise` for each of its attempts, 1.05 at most on
// average.
inline double gamma_variate(double shape, const Stream& noise, std::uint32_t pixel) {
  // A shape below 1 is reached from the next one up: G(k) = G(k + 1)·U^(1/k).
  constexpr std::uint32_t last = 0xffffu;
  double factor = 1.0;
  if (shape < 1.0) {
    const Words words = noise.block(pixel, last);
    const double exponent = logarithm(open_interval(words[0], words[1])) / shape;
    factor = exponent > -700.0 ? exponential(exponent) : 0.0;
    shape += 1.0;
  }
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (std::uint32_t attempt = 0; attempt < last; ++attempt) {
    const Words words = noise.block(pixel, attempt);
    const double x = standard_normal({words[0], words[1], words[2], 0});
    const double u = (static_cast<double>(words[3]) + 0.5) * 0x1.0p-32;
    const double t = 1.0 + c * x;
    if (t <= 0.0) continue;
    const double v = t * t * t;
    if (logarithm(u) < 0.5 * x * x + d * (1.0 - v + logarithm(v))) return factor * d * v;
  }
  return factor * d;  // never reached: the chance is below 10^-80000
}

// Each electron's pulse is gamma-distributed with the mean 1 and the variance `excess`, as that of a
// photomultiplier is to good approximation; the charge of N of them is then gamma-distributed with the
// mean N and the variance N·excess.
inline void multiply(const std::int32_t* count, std::int64_t first, std::int64_t n, double excess,
                     const Stream& noise, double* charge) {
  for (std::int64_t j = 0; j < n; ++j) {
    const auto electrons = static_cast<double>(count[j]);
    charge[j] = count[j] == 0 ? 0.0
                              : excess * gamma_variate(electrons / excess, noise,
                                                       static_cast<std::uint32_t>(first + j));
  }
}

// A scintillator's afterglow. What an electron leaves behind decays as exp(−t/decay) and is recorded in
// the pixel that the beam has reached by then: x_j = (1 − a)·s_j + a·x_(j−1) with a = exp(−dwell/decay).
// Nothing is recorded during the fly-back, which the first pixel of a row has in its own `a`. The scan
// begins in the dark.
struct Afterglow {
  double along_row = 0.0, into_row = 0.0;

  Afterglow() = default;
  // Times in the same unit.
  Afterglow(double decay, double dwell, double flyback)
      : along_row(remains(dwell, decay)), into_row(remains(dwell + flyback, decay)) {}

  // Goes through the image in the order of the scan, so a whole image is one thread's work; it takes some
  // 3 ns a pixel.
  void apply(float* charge, std::int64_t rows, std::int64_t columns) const {
    const double own = 1.0 - along_row;
    double glow = 0.0;
    for (std::int64_t i = 0; i < rows; ++i) {
      float* row = charge + i * columns;
      double keep = into_row;
      for (std::int64_t j = 0; j < columns; ++j) {
        glow = own * static_cast<double>(row[j]) + keep * glow;
        row[j] = static_cast<float>(glow);
        keep = along_row;
      }
    }
  }

 private:
  static double remains(double time, double decay) {
    return time < 700.0 * decay ? exponential(-time / decay) : 0.0;
  }
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
