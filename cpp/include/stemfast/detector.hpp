// The detector: charge to grey levels, and what is left in the scintillator for later pixels.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/normal.hpp"
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
    by_groups(first, n, [&](std::uint32_t g, std::int64_t lane, std::int64_t from, std::int64_t count) {
      std::uint32_t word[dose_group];
      float z[dose_group];
      double level[dose_group];
      sixteen_blocks(noise.counter(g * 16), noise.key(), word);
      normal_lanes(word, z);
      for (std::int64_t l = 0; l < count; ++l) {
        const double clean = e.gain * static_cast<double>(charge[from + l]) + e.offset;
        level[l] = clean + e.read_noise * static_cast<double>(z[lane + l]);
      }
      // Locals: bytes that are written might, for all the compiler knows, be those of `out` or `clipped`.
      Level* pixel = out + from;
      Clipped here;
      for (std::int64_t l = 0; l < count; ++l) pixel[l] = quantise<Level>(level[l]);
      for (std::int64_t l = 0; l < count; ++l) note_clipping<Level>(level[l], here);
      clipped.above += here.above;
      clipped.below += here.below;
    });
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
