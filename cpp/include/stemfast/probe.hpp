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

  // Blurs one row along x; `out` may be `in`.
  void along_row(const float* in, float* out, std::int64_t columns) {
    float* padded = padded_.data();
    std::copy(in, in + columns, padded + radius_);
    for (std::int64_t k = 1; k <= radius_; ++k) {
      padded[radius_ - k] = in[continued(-k, columns, boundary_)];
      padded[radius_ + columns - 1 + k] = in[continued(columns - 1 + k, columns, boundary_)];
    }
    const float* centre = padded + radius_;
    weighted_sum(centre, [centre](std::int64_t k) { return Pair{centre - k, centre + k}; }, out, columns);
  }

  // One row of the image blurred along y, from rows that `along_row` has already treated.
  void across_rows(const ImageView<float>& image, std::int64_t i, float* out) const {
    const auto row = [&](std::int64_t k) { return image.row(continued(k, image.rows, boundary_)); };
    weighted_sum(
        image.row(i), [&](std::int64_t k) { return Pair{row(i - k), row(i + k)}; }, out, image.columns);
  }

 private:
  struct Pair {
    const float *before, *after;
  };
  // So many pairs are added while the sum stays in a register: one pass does for σ up to two pixels.
  static constexpr std::int64_t at_once = 8;

  // out = w₀·centre + w₁·(pair 1) + w₂·(pair 2) + …, added in this order whatever the radius.
  template <class PairAt>
  void weighted_sum(const float* centre, const PairAt& pair_at, float* out, std::int64_t n) const {
    for (std::int64_t first = 1; first == 1 || first <= radius_; first += at_once) {
      Pair pairs[at_once];
      const std::int64_t left = radius_ - first + 1, count = left < at_once ? left : at_once;
      for (std::int64_t k = 0; k < count; ++k) pairs[k] = pair_at(first + k);
      const float* weight = weight_.data() + first;
      const float centre_weight = first == 1 ? weight_[0] : 1.0f;
      const float* start = first == 1 ? centre : out;
      switch (count) {
        case 0:
          return add_pairs<0>(start, centre_weight, pairs, weight, out, n);
        case 1:
          return add_pairs<1>(start, centre_weight, pairs, weight, out, n);
        case 2:
          return add_pairs<2>(start, centre_weight, pairs, weight, out, n);
        case 3:
          return add_pairs<3>(start, centre_weight, pairs, weight, out, n);
        case 4:
          return add_pairs<4>(start, centre_weight, pairs, weight, out, n);
        case 5:
          return add_pairs<5>(start, centre_weight, pairs, weight, out, n);
        case 6:
          return add_pairs<6>(start, centre_weight, pairs, weight, out, n);
        case 7:
          return add_pairs<7>(start, centre_weight, pairs, weight, out, n);
        default:
          add_pairs<8>(start, centre_weight, pairs, weight, out, n);
      }
    }
  }

  template <int count>
  static void add_pairs(const float* start, float start_weight, const Pair* pair, const float* weight,
                        float* out, std::int64_t n) {
    // A block at a time, through a buffer that nothing else can point to: the compiler then keeps sums
    // in registers without having to prove that sixteen rows do not overlap.
    constexpr std::int64_t block = 64;
    float sum[block];
    for (std::int64_t j0 = 0; j0 < n; j0 += block) {
      const std::int64_t here = n - j0 < block ? n - j0 : block;
      for (std::int64_t j = 0; j < here; ++j) {
        float s = start_weight * start[j0 + j];
        for (int k = 0; k < count; ++k) s += weight[k] * (pair[k].before[j0 + j] + pair[k].after[j0 + j]);
        sum[j] = s;
      }
      std::copy(sum, sum + here, out + j0);
    }
  }

  double sigma_ = 0.0;
  std::int64_t radius_ = 0;
  Boundary boundary_ = Boundary::nearest;
  std::vector<float> weight_{1.0f};
  std::vector<float> padded_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
