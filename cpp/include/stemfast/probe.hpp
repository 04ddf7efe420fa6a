// The probe: a separable Gaussian, cut at four standard deviations, the field continued past its edges.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// What lies past the edge of the field: its last pixel repeated, or the field mirrored about its edge.
enum class Boundary : std::uint8_t { nearest = 0, reflect = 1 };

inline std::int64_t continued(std::int64_t i, std::int64_t n, Boundary boundary) {
  if (boundary == Boundary::nearest) return std::clamp<std::int64_t>(i, 0, n - 1);
  const std::int64_t period = 2 * n;
  std::int64_t m = i % period;
  if (m < 0) m += period;
  return m < n ? m : period - 1 - m;
}

class GaussianProbe {
 public:
  void set(double sigma, std::int64_t columns, Boundary boundary) {
    boundary_ = boundary;
    if (sigma != sigma_) {
      sigma_ = sigma;
      radius_ = static_cast<std::int64_t>(4.0 * sigma + 0.5);
      std::vector<double> exact(static_cast<std::size_t>(radius_) + 1);
      double sum = 0.0;
      for (std::int64_t k = 0; k <= radius_; ++k) {
        const double u = static_cast<double>(k) / sigma;
        exact[static_cast<std::size_t>(k)] = k == 0 ? 1.0 : exponential(-0.5 * u * u);
        sum += (k == 0 ? 1.0 : 2.0) * exact[static_cast<std::size_t>(k)];
      }
      weight_.resize(exact.size());
      for (std::size_t k = 0; k < exact.size(); ++k) weight_[k] = static_cast<float>(exact[k] / sum);
    }
    padded_.resize(static_cast<std::size_t>(columns + 2 * radius_));
  }

  // Blurs one row along x, in place.
  void along_row(float* row, std::int64_t columns) {
    float* padded = padded_.data();
    std::copy(row, row + columns, padded + radius_);
    for (std::int64_t k = 1; k <= radius_; ++k) {
      padded[radius_ - k] = row[continued(-k, columns, boundary_)];
      padded[radius_ + columns - 1 + k] = row[continued(columns - 1 + k, columns, boundary_)];
    }
    const float* centre = padded + radius_;
    const float w0 = weight_[0];
    for (std::int64_t j = 0; j < columns; ++j) row[j] = w0 * centre[j];
    for (std::int64_t k = 1; k <= radius_; ++k) {
      const float w = weight_[static_cast<std::size_t>(k)];
      const float *left = centre - k, *right = centre + k;
      for (std::int64_t j = 0; j < columns; ++j) row[j] += w * (left[j] + right[j]);
    }
  }

  // One row of the image blurred along y, from rows that `along_row` has already treated.
  void across_rows(const ImageView<float>& image, std::int64_t i, float* out) const {
    const std::int64_t n = image.columns;
    const float w0 = weight_[0];
    const float* here = image.row(i);
    for (std::int64_t j = 0; j < n; ++j) out[j] = w0 * here[j];
    for (std::int64_t k = 1; k <= radius_; ++k) {
      const float w = weight_[static_cast<std::size_t>(k)];
      const float* above = image.row(continued(i - k, image.rows, boundary_));
      const float* below = image.row(continued(i + k, image.rows, boundary_));
      for (std::int64_t j = 0; j < n; ++j) out[j] += w * (above[j] + below[j]);
    }
  }

 private:
  double sigma_ = 0.0;
  std::int64_t radius_ = 0;
  Boundary boundary_ = Boundary::nearest;
  std::vector<float> weight_{1.0f};
  std::vector<float> padded_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
