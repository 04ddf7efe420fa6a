// Depth of focus: the beam is a cone about its focus, so slabs of the specimen are blurred each by its own
// width, σ(z)² = σ₀² + (α(z − z₀)/2)²: a disc of radius α|z − z₀| has half of that as its standard deviation
// along x.
#pragma once

#include <cmath>
#include <cstdint>

#include "stemfast/body.hpp"
#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/scan.hpp"
#include "stemfast/scene.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Slabs of equal thickness, in the order the beam meets them, from the first to the last point of the
// image's bodies.
class FocusSlabs {
 public:
  FocusSlabs(const Batch& batch, const RecordingTable& recording, std::int64_t image) {
    const auto i = static_cast<std::size_t>(image);
    count_ = recording.slabs[i];
    half_angle_ = 0.5 * recording.convergence[i];
    focus_ = recording.focus[i];
    pixel_ = batch.scan.pixel_size[i];
    const double sigma = recording.probe_sigma[i] * pixel_;
    variance_ = sigma * sigma;
    find_depths(batch, image);
  }

  std::int64_t count() const { return count_; }

  // The outermost slabs have no end, so that rounding loses nothing.
  Slab slab(std::int64_t k) const {
    return {k == 0 ? -Slab::far : edge(k), k == count_ - 1 ? Slab::far : edge(k + 1)};
  }

  // Root of the mean of σ² over the slab [px].
  double sigma(std::int64_t k) const {
    const double thickness = (bottom_ - top_) / static_cast<double>(count_);
    const double off = 0.5 * (edge(k) + edge(k + 1)) - focus_;
    const double spread = half_angle_ * half_angle_ * (off * off + thickness * thickness / 12.0);
    return std::sqrt(variance_ + spread) / pixel_;
  }

 private:
  double edge(std::int64_t k) const {
    return top_ + (bottom_ - top_) * static_cast<double>(k) / static_cast<double>(count_);
  }

  void find_depths(const Batch& batch, std::int64_t image) {
    const auto first = static_cast<std::size_t>(batch.bodies.image_offset[static_cast<std::size_t>(image)]);
    const auto last =
        static_cast<std::size_t>(batch.bodies.image_offset[static_cast<std::size_t>(image) + 1]);
    const bool turns = PosePath(batch.scan, image).moves();
    for (std::size_t b = first; b < last; ++b) {
      const Solid solid = solid_of(batch.shapes, batch.bodies.shape[b]);
      const double *q = &batch.bodies.orientation[4 * b], *p = &batch.bodies.position[3 * b];
      double low = p[2], high = p[2];
      if (turns) {
        const double radius = bounding_radius(solid);
        low -= radius;
        high += radius;
      } else {
        const Box box = bounding_box(solid, {matrix({q[0], q[1], q[2], q[3]}), {p[0], p[1], p[2]}});
        low = box.low[2];
        high = box.high[2];
      }
      top_ = b == first || low < top_ ? low : top_;
      bottom_ = b == first || high > bottom_ ? high : bottom_;
    }
  }

  std::int64_t count_ = 1;
  double half_angle_ = 0.0, focus_ = 0.0, pixel_ = 1.0, variance_ = 0.0, top_ = 0.0, bottom_ = 0.0;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
