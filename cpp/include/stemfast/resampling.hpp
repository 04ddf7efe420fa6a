// Fields on coarser grids and back, along y: each output row is a weighted sum of a few input rows.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/probe.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Both grids have their cells side by side over the same field, which is mirrored past its edges. A mirror
// image stays one on every grid, so coarse rows near an edge are as exact as others, whatever the counts.
class Resampling {
 public:
  // n rows to m ≤ n, each a Gaussian average of `sigma` input rows about its own centre.
  void reduce(std::int64_t n, std::int64_t m, double sigma) {
    const double ratio = static_cast<double>(n) / static_cast<double>(m);
    const auto reach = static_cast<std::int64_t>(4.0 * sigma + 1.0);
    start(n, m, 2 * reach);
    std::vector<double> exact(static_cast<std::size_t>(2 * reach));
    for (std::int64_t i = 0; i < m; ++i) {
      const double centre = (static_cast<double>(i) + 0.5) * ratio - 0.5;
      const auto first = static_cast<std::int64_t>(std::floor(centre)) - reach + 1;
      double sum = 0.0;
      for (std::int64_t k = 0; k < 2 * reach; ++k) {
        const double u = (static_cast<double>(first + k) - centre) / sigma;
        exact[static_cast<std::size_t>(k)] = exponential(-0.5 * u * u);
        sum += exact[static_cast<std::size_t>(k)];
      }
      for (std::int64_t k = 0; k < 2 * reach; ++k) {
        set_tap(i, k, first + k, exact[static_cast<std::size_t>(k)] / sum);
      }
    }
  }

  // m rows to n ≥ m by a cubic B-spline with the rows as its coefficients: a blur of its own, whose
  // variance is a third of a coarse row squared wherever the output row stands.
  void expand(std::int64_t m, std::int64_t n) {
    const double ratio = static_cast<double>(m) / static_cast<double>(n);
    start(m, n, 4);
    for (std::int64_t i = 0; i < n; ++i) {
      const double at = (static_cast<double>(i) + 0.5) * ratio - 0.5;
      const double below = std::floor(at), t = at - below, s = 1.0 - t;
      const double weight[4] = {s * s * s / 6.0, (4.0 + t * t * (3.0 * t - 6.0)) / 6.0,
                                (4.0 + s * s * (3.0 * s - 6.0)) / 6.0, t * t * t / 6.0};
      for (std::int64_t k = 0; k < 4; ++k) {
        set_tap(i, k, static_cast<std::int64_t>(below) - 1 + k, weight[k]);
      }
    }
  }

  std::int64_t rows_in() const { return rows_in_; }
  std::int64_t rows_out() const { return rows_out_; }

  // Rows `rows` of out = field resampled, or out += it; both have the field's columns.
  void apply(const float* field, std::int64_t columns, Range rows, float* out, bool add) const {
    for (std::int64_t i = rows.begin; i < rows.end; ++i) {
      for (std::int64_t k = 0; k < taps_; k += group) {
        const std::int64_t tap = i * taps_ + k;
        add_rows(field, &row_[static_cast<std::size_t>(tap)], &weight_[static_cast<std::size_t>(tap)],
                 columns, out + i * columns, add || k > 0);
      }
    }
  }

 private:
  static constexpr std::int64_t group = 4;

  void start(std::int64_t rows_in, std::int64_t rows_out, std::int64_t taps) {
    rows_in_ = rows_in;
    rows_out_ = rows_out;
    taps_ = (taps + group - 1) / group * group;
    row_.assign(static_cast<std::size_t>(rows_out * taps_), 0);
    weight_.assign(row_.size(), 0.0f);
  }

  void set_tap(std::int64_t i, std::int64_t k, std::int64_t row, double weight) {
    const auto at = static_cast<std::size_t>(i * taps_ + k);
    row_[at] = continued(row, rows_in_, Boundary::reflect);
    weight_[at] = static_cast<float>(weight);
  }

  static void add_rows(const float* field, const std::int64_t* row, const float* weight, std::int64_t n,
                       float* out, bool add) {
    const float *a = field + row[0] * n, *b = field + row[1] * n;
    const float *c = field + row[2] * n, *d = field + row[3] * n;
    const float wa = weight[0], wb = weight[1], wc = weight[2], wd = weight[3];
    if (!add) {
      for (std::int64_t j = 0; j < n; ++j) out[j] = ((wa * a[j] + wb * b[j]) + wc * c[j]) + wd * d[j];
      return;
    }
    for (std::int64_t j = 0; j < n; ++j) out[j] += ((wa * a[j] + wb * b[j]) + wc * c[j]) + wd * d[j];
  }

  std::int64_t rows_in_ = 0, rows_out_ = 0, taps_ = 0;
  std::vector<std::int64_t> row_;
  std::vector<float> weight_;
};

// out[j][i] = in[i][j] for the rows i in `some`
inline void transpose(const float* in, std::int64_t rows, std::int64_t columns, Range some, float* out) {
  constexpr std::int64_t tile = 16;
  for (std::int64_t i0 = some.begin; i0 < some.end; i0 += tile) {
    const std::int64_t i1 = i0 + tile < some.end ? i0 + tile : some.end;
    for (std::int64_t j0 = 0; j0 < columns; j0 += tile) {
      const std::int64_t j1 = j0 + tile < columns ? j0 + tile : columns;
      for (std::int64_t i = i0; i < i1; ++i) {
        for (std::int64_t j = j0; j < j1; ++j) out[j * rows + i] = in[i * columns + j];
      }
    }
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
