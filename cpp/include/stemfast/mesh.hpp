// Closed triangle meshes: the beam's path inside is the sum of its exit depths less its entry depths.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/body.hpp"
#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// A point as a scan line sees it: `across` the lines, `along` them, and the `depth` looked up.
struct LinePoint {
  double along, across, depth;
};

// The part of one scan line that a triangle covers: from `left` up to but not including `right`.
// `sign` is +1 where the triangle is seen from inside the solid (an exit along +depth), −1 from outside.
struct Span {
  double left, right, left_depth, right_depth, sign;
};

// Cuts the edge a→b with the line at `across`. The lower vertex comes first whoever asks, so the two
// triangles that share an edge get the same bits and leave neither gap nor overlap.
inline LinePoint cut_edge(const LinePoint* points, std::int32_t a, std::int32_t b, double across) {
  const LinePoint& p = points[a < b ? a : b];
  const LinePoint& q = points[a < b ? b : a];
  const double t = (across - p.across) / (q.across - p.across);
  return {p.along + t * (q.along - p.along), across, p.depth + t * (q.depth - p.depth)};
}

// The span of triangle `corner` on the line, if it has one. A vertex on the line counts as above it
// (the half-open rule that makes shared vertices count once).
inline bool cross_line(const LinePoint* points, const std::int32_t* corner, double across, Span* span) {
  LinePoint up{}, down{};
  bool crossed = false;
  for (int e = 0; e < 3; ++e) {
    const std::int32_t a = corner[e], b = corner[(e + 1) % 3];
    const bool a_reached = points[a].across <= across, b_reached = points[b].across <= across;
    if (a_reached == b_reached) continue;
    (a_reached ? up : down) = cut_edge(points, a, b, across);
    crossed = true;
  }
  if (!crossed) return false;
  // Counter-clockwise from outside: the edge that runs towards larger `across` has the face on the side
  // of smaller `along` where the outward normal points along +depth.
  if (down.along < up.along) {
    *span = {down.along, up.along, down.depth, up.depth, 1.0};
  } else {
    *span = {up.along, down.along, up.depth, down.depth, -1.0};
  }
  return span->left < span->right;
}

class MeshChords {
 public:
  void reserve(std::int64_t vertices, std::int64_t columns) {
    points_.reserve(static_cast<std::size_t>(vertices));
    path_.resize(static_cast<std::size_t>(columns));
  }

  // Only what lies in the slab counts from here on: depths are clamped to it.
  void limit(const Slab& slab) { slab_ = slab; }

  void place(const Solid& solid, const Pose& pose, const Grid& grid) {
    const Box box = bounding_box(solid, pose);
    rows_ = grid.rows_within(box.low[1], box.high[1]);
    columns_ = grid.columns_within(box.low[0], box.high[0]);
    grid_ = grid;
    triangles_ = solid.triangles;
    inside_ = slab_.seen_from(pose.position[2]);
    if (box.high[2] <= slab_.low || box.low[2] >= slab_.high) rows_ = {0, 0};
    points_.clear();
    for (std::size_t v = 0; v + 2 < solid.vertices.size(); v += 3) {
      const Vector3 p = to_laboratory(pose, &solid.vertices[v]);
      points_.push_back({p[0], p[1], p[2] - pose.position[2]});
    }
  }

  Range rows() const { return rows_; }
  Range columns() const { return columns_; }

  void accumulate(std::int64_t i, float weight, float* row) {
    const double y = grid_.y(static_cast<double>(i));
    for (std::int64_t j = columns_.begin; j < columns_.end; ++j) path_[static_cast<std::size_t>(j)] = 0.0;
    Span span;
    for (std::size_t t = 0; t + 2 < triangles_.size(); t += 3) {
      if (cross_line(points_.data(), &triangles_[t], y, &span)) add_depth(span);
    }
    for (std::int64_t j = columns_.begin; j < columns_.end; ++j) {
      const double path = path_[static_cast<std::size_t>(j)];
      row[j] += weight * static_cast<float>(path > 0.0 ? path : 0.0);
    }
  }

 private:
  void add_depth(const Span& span) {
    const double begin = std::ceil(grid_.column(span.left)), end = std::ceil(grid_.column(span.right));
    const std::int64_t j0 = to_integer(begin, columns_.begin, columns_.end);
    const std::int64_t j1 = to_integer(end, columns_.begin, columns_.end);
    const double slope = (span.right_depth - span.left_depth) / (span.right - span.left);
    // Rounding may put a sample a hair outside the span; its depth stays between the two ends.
    const bool rising = span.left_depth <= span.right_depth;
    const double low = rising ? span.left_depth : span.right_depth;
    const double high = rising ? span.right_depth : span.left_depth;
    for (std::int64_t j = j0; j < j1; ++j) {
      double depth = span.left_depth + slope * (grid_.x(static_cast<double>(j)) - span.left);
      depth = depth < low ? low : (depth > high ? high : depth);
      depth = depth < inside_.low ? inside_.low : (depth > inside_.high ? inside_.high : depth);
      path_[static_cast<std::size_t>(j)] += span.sign * depth;
    }
  }

  Grid grid_{};
  Slab slab_, inside_;  // in the laboratory, and from the body's position
  Range rows_, columns_;
  std::span<const std::int32_t> triangles_;
  std::vector<LinePoint> points_;
  std::vector<double> path_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
