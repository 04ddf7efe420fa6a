// A Gaussian random field in specimen coordinates, built from octaves of lattice noise.
//
// The octaves' lattices nest, so the field is one cubic spline: from the coarsest lattice on, the
// coefficients are refined to half the spacing, which changes nothing of the surface, and the next
// octave's noise is added. The pixels are interpolated once, from the finest. Everything hangs on the
// nodes' places in nm, measured from a random origin: a film looks the same at another pixel size, and
// rows can be made in any portion.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "stemfast/isa.hpp"
#include "stemfast/lattice_noise.hpp"
#include "stemfast/quotient.hpp"
#include "stemfast/rng.hpp"
#include "stemfast/roughness_spectrum.hpp"
#include "stemfast/scan.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Weights of the cubic B-splines of four nodes, at a fraction f of the way from the second to the third.
STEMFAST_INLINE std::array<float, 4> spline_weights(double f) {
  const auto sixth = [](double x) { return static_cast<float>(quotient(x, 6.0, 1.0 / 6.0)); };
  const double g = 1.0 - f;
  return {sixth(g * g * g), sixth((3.0 * f - 6.0) * f * f + 4.0), sixth((3.0 * g - 6.0) * g * g + 4.0),
          sixth(f * f * f)};
}

// A place among the nodes of the finest lattice: the first of four nodes and their weights.
struct SplineTaps {
  std::int64_t first;
  std::array<float, 4> weight;
};

inline SplineTaps spline_taps(double place) {
  const double node = std::floor(place);
  return {to_integer(node, -(std::int64_t{1} << 53), std::int64_t{1} << 53) - 1,
          spline_weights(place - node)};
}

class RoughSurface {
 public:
  // The surface of the image whose random numbers `stream` holds, seen on `grid`.
  void set(const Stream& stream, const Grid& grid, double rms, double correlation, double hurst) {
    noise_.set(stream);
    octaves_ = octaves(rms, correlation, hurst, grid.spacing);
    const Words words = stream.block(0, origin_attempt);
    origin_x_ = origin_range * unit_interval(words[0], words[1]);
    origin_y_ = origin_range * unit_interval(words[2], words[3]);
    scale_ = 1.0 / octaves_.spacing();
    step_ = grid.spacing * scale_;
    first_row_ = (grid.y(0.0) + origin_y_) * scale_;
    column_taps_.resize(static_cast<std::size_t>(grid.columns));
    const double first_column = (grid.x(0.0) + origin_x_) * scale_;
    for (std::size_t j = 0; j < column_taps_.size(); ++j) {
      column_taps_[j] = spline_taps(first_column + static_cast<double>(j) * step_);
    }
  }

  // Adds the field to `rows` of the grid; `depth` is the first of them.
  void add(Range rows, float* depth) {
    const auto columns = static_cast<std::int64_t>(column_taps_.size());
    build({column_taps_.front().first, column_taps_.back().first + 4},
          {taps_of(rows.begin).first, taps_of(rows.end - 1).first + 4});
    spread_columns();
    for (std::int64_t i = rows.begin; i < rows.end; ++i) {
      const SplineTaps taps = taps_of(i);
      const auto [w0, w1, w2, w3] = taps.weight;
      const float* r0 = spread_.data() + (taps.first - nodes_[0].y.begin) * columns;
      const float *r1 = r0 + columns, *r2 = r1 + columns, *r3 = r2 + columns;
      float* out = depth + (i - rows.begin) * columns;
      for (std::int64_t j = 0; j < columns; ++j) {
        out[j] += (w0 * r0[j] + w1 * r1[j]) + (w2 * r2[j] + w3 * r3[j]);
      }
    }
  }

  // Adds the field to n points, at x and y [nm]. They may stand anywhere, but cost as much as the
  // rectangle they fill.
  void add_at(const double* x, const double* y, std::int64_t n, float* depth) {
    double left = x[0], right = x[0], top = y[0], bottom = y[0];
    for (std::int64_t j = 1; j < n; ++j) {
      left = x[j] < left ? x[j] : left;
      right = x[j] > right ? x[j] : right;
      top = y[j] < top ? y[j] : top;
      bottom = y[j] > bottom ? y[j] : bottom;
    }
    build({place_x(left).first, place_x(right).first + 4}, {place_y(top).first, place_y(bottom).first + 4});
    for (std::int64_t j = 0; j < n; j += at_once) {
      add_some(x + j, y + j, std::min(at_once, n - j), depth + j);
    }
  }

 private:
  // The origin's random shift [nm], beyond the spacing of all lattices that matter.
  static constexpr double origin_range = 256.0;

  SplineTaps taps_of(std::int64_t row) const {
    return spline_taps(first_row_ + static_cast<double>(row) * step_);
  }

  // Points whose weights are worked out together, in vector code.
  static constexpr std::int64_t at_once = 64;

  void add_some(const double* x, const double* y, std::int64_t n, float* depth) const {
    const Nodes& nodes = nodes_[0];
    const std::int64_t height = nodes.y.size();
    double node_x[at_once], node_y[at_once];
    std::int64_t first[at_once];
    float across[4][at_once], down[4][at_once], column[at_once][4];
    place(x, origin_x_, n, node_x, across);
    place(y, origin_y_, n, node_y, down);
    // Whole numbers as double, which vector code turns into integers once, not twice.
    const auto pitch = static_cast<double>(height);
    const auto left = static_cast<double>(nodes.x.begin + 1), top = static_cast<double>(nodes.y.begin + 1);
    for (std::int64_t j = 0; j < n; ++j) {
      first[j] = static_cast<std::int64_t>((node_x[j] - left) * pitch + (node_y[j] - top));
    }
    const float* corner = coefficient_.data();
    // Point by point, the four nodes along y side by side …
    for (std::int64_t j = 0; j < n; ++j) {
      const float* c0 = corner + first[j];
      const float *c1 = c0 + height, *c2 = c1 + height, *c3 = c2 + height;
      // Each sum in loops of its own, which is what the compiler sees as four lanes.
      float before[4], after[4];
      add_product(across[0][j], c0, across[1][j], c1, before);
      add_product(across[2][j], c2, across[3][j], c3, after);
      for (int k = 0; k < 4; ++k) column[j][k] = before[k] + after[k];
    }
    // … then the points side by side.
    for (std::int64_t j = 0; j < n; ++j) {
      depth[j] += (down[0][j] * column[j][0] + down[1][j] * column[j][1]) +
                  (down[2][j] * column[j][2] + down[3][j] * column[j][3]);
    }
  }

  STEMFAST_INLINE static void add_product(float a, const float* x, float b, const float* y, float* sum) {
    float ax[4], by[4];
    for (int k = 0; k < 4; ++k) ax[k] = a * x[k];
    for (int k = 0; k < 4; ++k) by[k] = b * y[k];
    for (int k = 0; k < 4; ++k) sum[k] = ax[k] + by[k];
  }

  // The second of the nodes at each of n places along one axis, and the weights of all four.
  void place(const double* at, double origin, std::int64_t n, double* node, float (*weight)[at_once]) const {
    const double scale = scale_;
    for (std::int64_t j = 0; j < n; ++j) {
      const double place = (at[j] + origin) * scale;
      node[j] = std::floor(place);
      const auto [w0, w1, w2, w3] = spline_weights(place - node[j]);
      weight[0][j] = w0;
      weight[1][j] = w1;
      weight[2][j] = w2;
      weight[3][j] = w3;
    }
  }

  SplineTaps place_x(double x) const { return spline_taps((x + origin_x_) * scale_); }
  SplineTaps place_y(double y) const { return spline_taps((y + origin_y_) * scale_); }

  // Spline coefficients at nodes x, y of the finest lattice.
  void build(Range x, Range y) {
    nodes_[0] = {x, y};
    for (int k = 1; k < octaves_.count; ++k) nodes_[k] = nodes_[k - 1].parents();
    for (int k = octaves_.count - 1; k >= 0; --k) {
      const auto o = static_cast<std::size_t>(k);
      noise_.draw(nodes_[k], octaves_.finest + k, octaves_.amplitude[o], k == 0 ? octaves_.remainder : 0.0f);
      if (k + 1 < octaves_.count) refine_along_y(nodes_[k + 1], nodes_[k]);
      make_room(coefficient_, nodes_[k].size());
      for (std::int64_t n = nodes_[k].x.begin; n < nodes_[k].x.end; ++n) {
        float* column = coefficient_.data() + (n - nodes_[k].x.begin) * nodes_[k].y.size();
        noise_.column(n, column);
        if (k + 1 < octaves_.count) add_refined(nodes_[k + 1], n, nodes_[k].y.size(), column);
      }
    }
  }

  // The two-scale relation of the cubic B-spline, c'(2i) = (c(i−1) + 6c(i) + c(i+1))/8 and
  // c'(2i+1) = (c(i) + c(i+1))/2, first along y.
  void refine_along_y(const Nodes& coarse, const Nodes& fine) {
    make_room(refined_, coarse.x.size() * fine.y.size());
    for (std::int64_t m = 0; m < coarse.x.size(); ++m) {
      // Indexed by the node's own number, which may be negative.
      const float* c = coefficient_.data() + m * coarse.y.size() - coarse.y.begin;
      float* out = refined_.data() + m * fine.y.size() - fine.y.begin;
      const std::int64_t first = (fine.y.begin + 1) >> 1, last = fine.y.end >> 1;  // whole pairs
      if (fine.y.begin & 1) out[fine.y.begin] = 0.5f * (c[first - 1] + c[first]);
      for (std::int64_t i = first; i < last; ++i) {
        out[2 * i] = 0.125f * (c[i - 1] + c[i + 1]) + 0.75f * c[i];
        out[2 * i + 1] = 0.5f * (c[i] + c[i + 1]);
      }
      if (fine.y.end & 1) out[2 * last] = 0.125f * (c[last - 1] + c[last + 1]) + 0.75f * c[last];
    }
  }

  // Then along x, for column n.
  void add_refined(const Nodes& coarse, std::int64_t n, std::int64_t height, float* column) const {
    const float* here = refined_.data() + ((n >> 1) - coarse.x.begin) * height;
    const float *before = here - height, *after = here + height;
    if (n & 1) {
      for (std::int64_t i = 0; i < height; ++i) column[i] += 0.5f * (here[i] + after[i]);
    } else {
      for (std::int64_t i = 0; i < height; ++i) {
        column[i] += 0.125f * (before[i] + after[i]) + 0.75f * here[i];
      }
    }
  }

  // Interpolates along x and turns columns of nodes into rows of pixels: spread_[node y][pixel column].
  void spread_columns() {
    constexpr std::int64_t block = 16;
    const auto columns = static_cast<std::int64_t>(column_taps_.size());
    const std::int64_t height = nodes_[0].y.size();
    make_room(spread_, height * columns);
    make_room(turned_, block * height);
    for (std::int64_t begin = 0; begin < columns; begin += block) {
      const std::int64_t width = std::min(block, columns - begin);
      for (std::int64_t j = 0; j < width; ++j) {
        const SplineTaps& taps = column_taps_[static_cast<std::size_t>(begin + j)];
        const auto [w0, w1, w2, w3] = taps.weight;
        const float* c0 = coefficient_.data() + (taps.first - nodes_[0].x.begin) * height;
        const float *c1 = c0 + height, *c2 = c1 + height, *c3 = c2 + height;
        float* out = turned_.data() + j * height;
        for (std::int64_t i = 0; i < height; ++i) {
          out[i] = (w0 * c0[i] + w1 * c1[i]) + (w2 * c2[i] + w3 * c3[i]);
        }
      }
      for (std::int64_t i = 0; i < height; ++i) {
        float* out = spread_.data() + i * columns + begin;
        for (std::int64_t j = 0; j < width; ++j) out[j] = turned_[static_cast<std::size_t>(j * height + i)];
      }
    }
  }

  Octaves octaves_;
  LatticeNoise noise_;
  double origin_x_ = 0.0, origin_y_ = 0.0;  // [nm]
  double scale_ = 1.0;                      // spacings of the finest lattice in a nm
  double step_ = 0.0, first_row_ = 0.0;     // in spacings of the finest lattice
  std::vector<SplineTaps> column_taps_;
  std::array<Nodes, Octaves::most> nodes_{};
  std::vector<float> coefficient_, refined_, turned_, spread_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
