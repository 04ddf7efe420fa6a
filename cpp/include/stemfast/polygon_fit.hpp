// The polygon of the least cost along a closed contour: least squares for the sides, dynamic programming
// for where they end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace stemfast {

// A contour point, and the weight of its squared distance from a side.
struct WeightedPoint {
  double x, y, weight;
};

// The line of least squares through some points: their mean, its direction, the squared residue.
struct FittedSide {
  double x, y, angle, cost;
};

class PolygonFit {
 public:
  // `trim` points at each end of a side are left out; a side has at least `shortest` points; each costs
  // `price` more.
  PolygonFit(std::span<const WeightedPoint> points, std::int64_t trim, std::int64_t shortest, double price)
      : n_(static_cast<std::int64_t>(points.size())), trim_(trim), shortest_(shortest), price_(price) {
    sums_.resize(static_cast<std::size_t>(2 * n_ + 1));
    for (std::int64_t i = 0; i < 2 * n_; ++i) {
      const auto [x, y, w] = points[static_cast<std::size_t>(i % n_)];
      const Sums& s = sums_[static_cast<std::size_t>(i)];
      sums_[static_cast<std::size_t>(i + 1)] = {s.w + w,          s.x + w * x,      s.y + w * y,
                                                s.xx + w * x * x, s.xy + w * x * y, s.yy + w * y * y};
    }
    costs_.resize(static_cast<std::size_t>(n_ * (n_ + 1)), std::numeric_limits<double>::infinity());
    for (std::int64_t i = 0; i < n_; ++i) {
      for (std::int64_t k = shortest_; k <= n_; ++k) costs_[index(i, k)] = scatter(i, k).cost();
    }
  }

  // The side from point `first` over k points; one of too few points is no line and costs infinity.
  FittedSide side(std::int64_t first, std::int64_t k) const {
    if (k < shortest_) return {0.0, 0.0, 0.0, std::numeric_limits<double>::infinity()};
    const Scatter s = scatter(first, k);
    return {s.x, s.y, 0.5 * std::atan2(2.0 * s.xy, s.xx - s.yy), costs_[index(first, k)]};
  }

  // Where the sides of the cheapest polygon with a corner at `start` begin, counted from there; thirds
  // where it has fewer than three sides.
  std::vector<std::int64_t> corners(std::int64_t start) const {
    std::vector<double> best(static_cast<std::size_t>(n_ + 1), std::numeric_limits<double>::infinity());
    std::vector<std::int64_t> came(best.size(), 0);
    best[0] = 0.0;
    for (std::int64_t end = shortest_; end <= n_; ++end) {
      double least = std::numeric_limits<double>::infinity();
      for (std::int64_t i = 0; i <= end - shortest_; ++i) {
        const double total =
            best[static_cast<std::size_t>(i)] + (costs_[index((start + i) % n_, end - i)] + price_);
        if (total < least) {
          least = total;
          came[static_cast<std::size_t>(end)] = i;
        }
      }
      best[static_cast<std::size_t>(end)] = least;
    }
    std::vector<std::int64_t> found{came[static_cast<std::size_t>(n_)]};
    while (found.back() > 0) found.push_back(came[static_cast<std::size_t>(found.back())]);
    std::reverse(found.begin(), found.end());
    if (found.size() < 3) return {0, n_ / 3, 2 * n_ / 3};
    return found;
  }

 private:
  struct Sums {
    double w = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0, yy = 0.0;
  };
  // Mean and scatter matrix.
  struct Scatter {
    double x, y, xx, xy, yy;
    // The smaller eigenvalue.
    double cost() const { return std::max(0.5 * (xx + yy) - std::hypot(0.5 * (xx - yy), xy), 0.0); }
  };

  std::size_t index(std::int64_t first, std::int64_t k) const {
    return static_cast<std::size_t>(first * (n_ + 1) + k);
  }

  Scatter scatter(std::int64_t first, std::int64_t k) const {
    const Sums &low = sums_[static_cast<std::size_t>(first + trim_)],
               &high = sums_[static_cast<std::size_t>(first + k - trim_ + 1)];
    const double w = high.w - low.w, x = (high.x - low.x) / w, y = (high.y - low.y) / w;
    return {x, y, high.xx - low.xx - w * x * x, high.xy - low.xy - w * x * y, high.yy - low.yy - w * y * y};
  }

  std::int64_t n_, trim_, shortest_;
  double price_;
  std::vector<Sums> sums_;
  std::vector<double> costs_;
};

}  // namespace stemfast
