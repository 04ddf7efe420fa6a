// The sides of a polygon drawn around a particle, and the profile of brightness across each.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "stemfast/edge_profile.hpp"

namespace stemfast {

// A particle's window of an image, without what is around it.
struct EdgeWindow {
  const double* signal;
  const bool* foreign;  // pixels that other particles claim
  std::int64_t rows, columns;
};

struct EdgePoint {
  double x, y;
};

// A side of a polygon that turns from x towards y.
class PolygonSide {
 public:
  PolygonSide(std::span<const EdgePoint> corners, std::size_t k) : start_(corners[k]) {
    const EdgePoint next = corners[(k + 1) % corners.size()];
    along_ = {next.x - start_.x, next.y - start_.y};
    length_ = std::hypot(along_.x, along_.y);
    along_ = length_ > 1e-9 ? EdgePoint{along_.x / length_, along_.y / length_} : EdgePoint{0.0, -1.0};
  }

  // How far a point lies inwards [px].
  double inwards(EdgePoint p) const { return (p.x - start_.x) * -along_.y + (p.y - start_.y) * along_.x; }

  // The pixels beside it, without those beside its ends, and such as its profile does not reach.
  std::vector<EdgePixel> pixels(const EdgeWindow& window, double wide) const {
    constexpr double end_share = 0.2, most_end_px = 3.0;
    const double reach = std::max(outside_px + 1.0, inside_px) * wide;
    const double end = std::min(end_share * length_, most_end_px * wide);
    const EdgePoint stop{start_.x + length_ * along_.x, start_.y + length_ * along_.y};
    const auto [top, bottom] = within(start_.y, stop.y, reach, window.rows);
    const auto [left, right] = within(start_.x, stop.x, reach, window.columns);
    std::vector<EdgePixel> near;
    for (std::int64_t r = top; r < bottom; ++r) {
      for (std::int64_t c = left; c < right; ++c) {
        const std::int64_t i = r * window.columns + c;
        if (window.foreign[i]) continue;
        const EdgePoint p{static_cast<double>(c), static_cast<double>(r)};
        const double t = (p.x - start_.x) * along_.x + (p.y - start_.y) * along_.y;
        if (t > end && t < length_ - end) near.push_back({inwards(p), window.signal[i]});
      }
    }
    return near;
  }

 private:
  struct Range {
    std::int64_t first, last;
  };
  // Whole numbers of 0 … n − 1 within reach of two places.
  static Range within(double a, double b, double reach, std::int64_t n) {
    const auto most = static_cast<double>(n);
    return {static_cast<std::int64_t>(std::ceil(std::clamp(std::min(a, b) - reach, 0.0, most))),
            static_cast<std::int64_t>(std::floor(std::clamp(std::max(a, b) + reach, -1.0, most - 1.0))) + 1};
  }

  EdgePoint start_, along_;
  double length_;
};

// Calls work(k, profile) for every side of a polygon; `wide` is how far to look, in units of a sharp image's.
template <class Work>
void each_side(const EdgeWindow& window, std::span<const EdgePoint> corners, const EdgeNoise& noise,
               double wide, const Work& work) {
  EdgePoint middle{0.0, 0.0};
  for (const EdgePoint& corner : corners) {
    middle.x += corner.x / static_cast<double>(corners.size());
    middle.y += corner.y / static_cast<double>(corners.size());
  }
  for (std::size_t k = 0; k < corners.size(); ++k) {
    const PolygonSide side(corners, k);
    const double depth = std::max(side.inwards(middle), 1.0);
    work(k, EdgeProfile::of(side.pixels(window, wide), noise, depth, wide, false));
  }
}

}  // namespace stemfast
