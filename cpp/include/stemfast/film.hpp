// The carbon film the particles lie on: mean thickness, roughness, a wedge, the edge of a hole.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/rng.hpp"
#include "stemfast/rough_surface.hpp"
#include "stemfast/scan.hpp"
#include "stemfast/scene.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// The edge of a hole, an arc whose nearest point to the scan's centre lies along (cosine, sine). The film
// thins towards it as 1 − exp(−d/taper), d being the distance from the edge; past it there is vacuum.
class HoleEdge {
 public:
  explicit HoleEdge(const FilmSettings& film)
      : towards_(sin_cos_turns(film.edge_direction / 360.0)),
        distance_(film.edge_distance),
        curvature_(film.edge_curvature),
        // A sharp edge is one that is thinner than anything.
        steepness_(film.edge_taper > 0.0 ? 1.0 / film.edge_taper : 1e12) {}

  // The share of the film that is there.
  float cover(double x, double y) const {
    // d = |r − centre| − 1/curvature, in a form that is also right for a straight edge.
    const double a = distance_ - (x * towards_.cosine + y * towards_.sine);
    const double b = y * towards_.cosine - x * towards_.sine;
    const double u = 1.0 + curvature_ * a, v = curvature_ * b;
    const double d = (2.0 * a + curvature_ * (a * a + b * b)) / (std::sqrt(u * u + v * v) + 1.0);
    return one_minus_exp_neg(static_cast<float>(std::clamp(d * steepness_, 0.0, 80.0)));
  }

 private:
  SinCos towards_;
  double distance_, curvature_, steepness_;
};

// Lays films under images. One per thread: it owns the scratch space.
class FilmLayer {
 public:
  // Rows `band` of the film of the image whose random numbers `stream` holds; `depth` is the first row.
  void lay(const FilmSettings& film, const Stream& stream, const Grid& grid, Range band, float* depth) {
    std::fill(depth, depth + band.size() * grid.columns, static_cast<float>(film.depth));
    if (film.roughness > 0.0) add_roughness(film, stream, grid, band, depth);
    if (film.wedge != 0.0) add_wedge(film, grid, band, depth);
    if (film.has_edge()) cut_hole(film, grid, band, depth);
    if (film.roughness > 0.0 || film.wedge != 0.0) clip(depth, band.size() * grid.columns);
  }

 private:
  void add_roughness(const FilmSettings& film, const Stream& stream, const Grid& grid, Range band,
                     float* depth) {
    // Portions that stay in the second-level cache; the film is the same however it is cut.
    const std::int64_t portion = std::max<std::int64_t>(32, (1 << 16) / grid.columns);
    surface_.set(stream, grid, film.roughness, film.correlation, film.hurst);
    for (std::int64_t i = band.begin; i < band.end; i += portion) {
      surface_.add({i, std::min(i + portion, band.end)}, depth + (i - band.begin) * grid.columns);
    }
  }

  static void add_wedge(const FilmSettings& film, const Grid& grid, Range band, float* depth) {
    const SinCos uphill = sin_cos_turns(film.wedge_direction / 360.0);
    const double along_x = film.wedge * uphill.cosine, along_y = film.wedge * uphill.sine;
    for (std::int64_t i = band.begin; i < band.end; ++i, depth += grid.columns) {
      const double row = along_y * grid.y(static_cast<double>(i));
      for (std::int64_t j = 0; j < grid.columns; ++j) {
        depth[j] += static_cast<float>(row + along_x * grid.x(static_cast<double>(j)));
      }
    }
  }

  static void cut_hole(const FilmSettings& film, const Grid& grid, Range band, float* depth) {
    const HoleEdge edge(film);
    for (std::int64_t i = band.begin; i < band.end; ++i, depth += grid.columns) {
      const double y = grid.y(static_cast<double>(i));
      for (std::int64_t j = 0; j < grid.columns; ++j) {
        depth[j] *= edge.cover(grid.x(static_cast<double>(j)), y);
      }
    }
  }

  // No film is thinner than nothing. The Python side sees to it that this takes one point in a thousand
  // at most: the thinnest part of the field is at least three rms thick.
  static void clip(float* depth, std::int64_t n) {
    for (std::int64_t j = 0; j < n; ++j) depth[j] = depth[j] > 0.0f ? depth[j] : 0.0f;
  }

  RoughSurface surface_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
