// What fits ask of the core, compiled once per instruction set.
#pragma once

#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"

namespace stemfast {

// Convex bodies as half-spaces, one for each group of pixels. The beam at (x, y) meets a plane at
// z = c₀ + c₁x + c₂y, where it leaves the half-space or enters it.
struct HalfSpaces {
  const double* crossings;     // (groups, faces, 3): c
  const std::uint8_t* leaves;  // (groups, faces)
  const double* slopes;        // (groups, faces, 3, parameters): derivatives of c
  std::int64_t groups, faces, parameters;
};

// A matrix with few entries beside the diagonal: line i is weight[i, k] at columns first[i] + k.
struct Bands {
  const std::int64_t* first;  // (n,)
  const double* weight;       // (n, taps)
  std::int64_t n, taps;
};

// h(τ) = x + x²(c₁ + c₂x + c₃x²) + beyond·(τ − x) with x = min(τ, limit), of Python's `ScatteringCurve`.
struct Scattering {
  double c1, c2, c3, limit, beyond;
};

// A thickness seen through a film, by the probe.
struct Optics {
  const double* film;       // (pixels): its mean [nm]
  const double* waves;      // (pixels, n_waves): its roughness
  const double* amplitude;  // (n_waves,) [nm]
  std::int64_t n_waves;
  double path, film_path, dose;
  Scattering scattering;
  Bands along_y, along_x;
};

// Counts of mean (e + off(e) + noise/excess)/excess where e electrons are expected, `least` at the least.
struct CountedImage {
  const double* counts;  // (pixels,)
  const double* weight;  // (pixels,)
  const double* came;    // (n_readings,): electrons, from 0 on
  const double* off;     // (n_readings,): how far the mean reading is off
  std::int64_t pixels, n_readings;
  double excess, noise, least;
};

// An image to compare thousands of bodies with.
struct CoarseImage {
  const double *x, *y;  // (pixels,) [nm]
  const double* film;   // (pixels,): its depth in mean free paths
  const double* scale;  // (pixels,): of the share of the beam that is left, over the error bar
  const double* seen;   // (pixels,): the same of the image
  std::int64_t pixels;
  double path;
  Scattering scattering;
};

// The jacobian of expected electrons, every pixel's row times a weight: by the parameters of a thickness,
// blurred by the probe; by the waves of a film; by the logarithm of the dose.
struct WeightedJacobian {
  const double* slopes;     // (rows, columns, parameters): of the thickness
  const double* by_depth;   // (rows, columns): derivative of the electrons before the blur
  const double* waves;      // (rows, columns, n_waves)
  const double* electrons;  // (rows, columns)
  const double* weight;     // (rows, columns)
  double path, film_path;
  Bands along_y, along_x;
  std::int64_t rows, columns, parameters, n_waves;
};

inline namespace STEMFAST_ISA {

constexpr std::int64_t block = 128;  // pixels that fit into the first cache with all that is known of them

// h of a depth, at most 700, of which the exponential is still a normal number.
STEMFAST_INLINE double scattering_exponent(const Scattering& s, double depth) {
  const double over = depth > s.limit ? depth - s.limit : 0.0, x = depth - over;
  const double h = x + x * x * (s.c1 + x * (s.c2 + x * s.c3)) + s.beyond * over;
  return h < 700.0 ? h : 700.0;
}

// Its derivative.
STEMFAST_INLINE double scattering_slope(const Scattering& s, double depth) {
  const double inside = 1.0 + depth * (2.0 * s.c1 + depth * (3.0 * s.c2 + depth * (4.0 * s.c3)));
  return depth > s.limit ? s.beyond : inside;
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
