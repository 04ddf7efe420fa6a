// The spectrum of a rough film, as weights of octaves.
//
// A self-affine surface of height variance rms², correlation length ξ and Hurst exponent H has the
// spectral density (the k-correlation model: Palasantzas 1993, Phys. Rev. B 48, 14472)
//
//   S(q) = 4πHξ² rms² (1 + q²ξ²)^−(1+H),   rms² = ∫ S d²q/(2π)²,   q in rad/nm.
//
// It is a mixture of Gaussians: (1 + x²)^−(1+H) = 1/Γ(1+H) ∫ s^H e^−s e^(−s x²) ds. The integrand is so
// smooth in log s that its sum over steps of four, which is one octave in width, is the integral to 3 %.
// Each octave is white noise on a lattice whose spacing suits the width, smoothed by a kernel that is
// nearly Gaussian (rough_surface.hpp).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Octave k's lattice has nodes 2^(finest + k) nm apart.
struct Octaves {
  static constexpr int most = 48;

  int finest = 0;
  int count = 0;
  std::array<float, most> amplitude{};  // of the noise on each lattice
  float remainder = 0.0f;               // amplitude of what would be finer than the finest lattice

  double spacing() const { return std::ldexp(1.0, finest); }
};

// s = width_squared·(spacing/ξ)² for an octave. This, `remainder_share` and the smoothing in
// rough_surface.hpp are fitted together, so that the density is within 6 % of S(q) for all q up to
// 1/pixel_size, whatever ξ, the phase of the octaves, and H from 0.3 to 0.8.
inline constexpr double width_squared = 0.725, remainder_share = 0.94;

// Beyond this s an octave holds less than 0.1 % of S(0).
inline constexpr double largest_s = 12.0;

// The finest lattice is 0.75 to 1.5 pixels fine; smaller detail than that has no place in the image.
inline Octaves octaves(double rms, double correlation, double hurst, double pixel_size) {
  Octaves o;
  std::frexp(0.75 * pixel_size, &o.finest);
  const double steps = o.spacing() / correlation;
  const double s0 = width_squared * steps * steps;
  const double power0 = exponential(hurst * logarithm(s0)), ratio = exponential(hurst * logarithm(4.0));
  const auto share = [](double power, double s) { return s > largest_s ? 0.0 : power * exponential(-s); };

  std::array<double, Octaves::most> shares{};
  shares[0] = share(power0, s0);
  double total = shares[0];
  o.count = 1;
  for (double s = 4.0 * s0, power = ratio * power0; s <= largest_s && o.count < Octaves::most; ++o.count) {
    total += shares[static_cast<std::size_t>(o.count)] = share(power, s);
    s *= 4.0;
    power *= ratio;
  }
  // The octaves below the finest lattice: their variance, and their density at small q on that lattice.
  double density = 0.0, scale = 0.25, power = power0 / ratio;
  for (double s = 0.25 * s0;; s *= 0.25, scale *= 0.25, power /= ratio) {
    const double left_out = share(power, s);
    total += left_out;
    density += left_out * scale;
    if (s < 1e-9) {
      // Geometric series from here on.
      total += left_out / (ratio - 1.0);
      density += left_out * scale / (4.0 * ratio - 1.0);
      break;
    }
  }
  constexpr double four_pi = 12.566370614359172;
  const double unit = four_pi * width_squared * rms * rms / total;
  for (std::size_t k = 0; k < shares.size(); ++k)
    o.amplitude[k] = static_cast<float>(std::sqrt(unit * shares[k]));
  o.remainder = static_cast<float>(std::sqrt(unit * remainder_share * density));
  return o;
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
