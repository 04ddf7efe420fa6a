// The carbon film the particles lie on: mean thickness, roughness, a wedge, the edge of a hole.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

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
  // Rows `band` of the film of the image whose random numbers `stream` holds, at each pixel where the beam
  // stands; `depth` is the first row.
  void lay(const FilmSettings& film, const Stream& stream, const BeamPath& beam, Range band, float* depth) {
    const std::int64_t n = band.size() * beam.grid().columns;
    std::fill(depth, depth + n, static_cast<float>(film.depth));
    if (film.roughness > 0.0) add_roughness(film, stream, beam, band, depth);
    if (film.wedge != 0.0 || film.has_edge()) shape(film, beam, band, depth);
    if (film.roughness > 0.0 || film.wedge != 0.0) clip(depth, n);
  }

 private:
  void add_roughness(const FilmSettings& film, const Stream& stream, const BeamPath& beam, Range band,
                     float* depth) {
    const std::int64_t columns = beam.grid().columns;
    // Portions that stay in the second-level cache; the film is the same however it is cut.
    const std::int64_t portion = std::max<std::int64_t>(32, (beam.strays() ? 1 << 14 : 1 << 16) / columns);
    surface_.set(stream, beam.grid(), film.roughness, film.correlation, film.hurst);
    for (std::int64_t i = band.begin; i < band.end; i += portion) {
      const Range rows{i, std::min(i + portion, band.end)};
      float* first = depth + (i - band.begin) * columns;
      if (!beam.strays()) {
        surface_.add(rows, first);
        continue;
      }
      make_room(rows.size() * columns);
      beam.rows(rows, x_.data(), y_.data());
      surface_.add_at(x_.data(), y_.data(), rows.size() * columns, first);
    }
  }

  // The wedge and the hole.
  void shape(const FilmSettings& film, const BeamPath& beam, Range band, float* depth) {
    const std::int64_t columns = beam.grid().columns;
    const SinCos uphill = sin_cos_turns(film.wedge_direction / 360.0);
    const double along_x = film.wedge * uphill.cosine, along_y = film.wedge * uphill.sine;
    const HoleEdge edge(film);
    make_room(BeamPath::at_once * columns);
    for (std::int64_t i = band.begin; i < band.end; i += BeamPath::at_once) {
      const Range rows{i, std::min(i + BeamPath::at_once, band.end)};
      const auto n = static_cast<std::size_t>(rows.size() * columns);
      beam.rows(rows, x_.data(), y_.data());
      if (film.wedge != 0.0) {
        for (std::size_t k = 0; k < n; ++k) {
          depth[k] += static_cast<float>(along_y * y_[k] + along_x * x_[k]);
        }
      }
      if (film.has_edge()) {
        for (std::size_t k = 0; k < n; ++k) depth[k] *= edge.cover(x_[k], y_[k]);
      }
      depth += n;
    }
  }

  // No film is thinner than nothing. The Python side sees to it that this takes one point in a thousand
  // at most: the thinnest part of the field is at least three rms thick.
  static void clip(float* depth, std::int64_t n) {
    for (std::int64_t j = 0; j < n; ++j) depth[j] = depth[j] > 0.0f ? depth[j] : 0.0f;
  }

  void make_room(std::int64_t n) {
    if (x_.size() >= static_cast<std::size_t>(n)) return;
    x_.resize(static_cast<std::size_t>(n));
    y_.resize(static_cast<std::size_t>(n));
  }

  RoughSurface surface_;
  std::vector<double> x_, y_;  // where the beam stands
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
