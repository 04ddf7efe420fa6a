// The voxel engine: which voxel centres of a grid lie inside a posed solid. It shares no arithmetic with
// the exact chords, so that each can be checked against the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "stemfast/body.hpp"
#include "stemfast/error.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/mesh.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// The layers of a voxel grid along the beam.
struct Layers {
  double first, spacing;
  std::int64_t count;

  double z(std::int64_t k) const { return first + static_cast<double>(k) * spacing; }
};

// Runs of occupied voxels along x, for the voxel row (layer k, row i). A voxel is inside a convex body
// where ((nx·x + ny·y) + nz·z) ≤ d holds for every face, evaluated in this order in double: the runs
// below are exactly those voxels, ties included.
class VoxelRuns {
 public:
  void reserve(std::int64_t vertices, std::int64_t planes) {
    points_.reserve(static_cast<std::size_t>(vertices));
    faces_.reserve(static_cast<std::size_t>(planes));
  }

  void place(const Solid& solid, const Pose& pose, const Grid& grid, const Layers& layers) {
    const Box box = bounding_box(solid, pose);
    rows_ = grid.rows_within(box.low[1], box.high[1]);
    columns_ = grid.columns_within(box.low[0], box.high[0]);
    const double low = (box.low[2] - layers.first) / layers.spacing - 1.0;
    const double high = (box.high[2] - layers.first) / layers.spacing + 2.0;
    layer_range_ = {to_integer(low, 0, layers.count), to_integer(high, 0, layers.count)};
    grid_ = grid;
    layers_ = layers;
    kind_ = solid.kind;
    if (kind_ == ShapeKind::convex) place_convex(solid, pose);
    if (kind_ == ShapeKind::ellipsoid) place_ellipsoid(solid, pose);
    if (kind_ == ShapeKind::mesh) place_mesh(solid, pose);
    low_.resize(static_cast<std::size_t>(layers.count));
    high_.resize(static_cast<std::size_t>(layers.count));
  }

  Range rows() const { return rows_; }
  Range columns() const { return columns_; }

  // visit(layer, begin, end, sign): the solid's winding number gains `sign` on columns begin … end − 1.
  template <class Visit>
  void runs(std::int64_t i, const Visit& visit) {
    if (layer_range_.empty() || columns_.empty()) return;
    if (kind_ == ShapeKind::convex) convex_runs(i, visit);
    if (kind_ == ShapeKind::ellipsoid) ellipsoid_runs(i, visit);
    if (kind_ == ShapeKind::mesh) mesh_runs(i, visit);
  }

 private:
  struct Face {
    double nx, ny, nz, d;
  };

  // A division loses at most this many columns where |nx| > steep_limit; nearer to a sample than that,
  // the inequality itself is asked.
  static constexpr double doubt = 1e-6, steep_limit = 1e-4;

  void place_convex(const Solid& solid, const Pose& pose) {
    faces_.clear();
    const Vector3& p = pose.position;
    for (std::size_t f = 0; f + 3 < solid.planes.size(); f += 4) {
      const double* plane = &solid.planes[f];
      const Vector3 n = pose.rotation * Vector3{plane[0], plane[1], plane[2]};
      faces_.push_back({n[0], n[1], n[2], plane[3] + ((n[0] * p[0] + n[1] * p[1]) + n[2] * p[2])});
    }
  }

  bool inside_faces(double x, double y, double z) const {
    for (const Face& f : faces_) {
      if (!((f.nx * x + f.ny * y) + f.nz * z <= f.d)) return false;
    }
    return true;
  }

  template <class Visit>
  void convex_runs(std::int64_t i, const Visit& visit) {
    const double y = grid_.y(static_cast<double>(i));
    const auto k0 = layer_range_.begin, k1 = layer_range_.end;
    double* low = low_.data();
    double* high = high_.data();
    for (std::int64_t k = k0; k < k1; ++k) {
      low[k] = static_cast<double>(columns_.begin);
      high[k] = static_cast<double>(columns_.end - 1);
    }
    bool steep = false;
    for (const Face& f : faces_) {
      if (std::abs(f.nx) <= steep_limit) {
        steep = true;
        continue;
      }
      const double scale = 1.0 / (f.nx * grid_.spacing), z0 = layers_.first, dz = layers_.spacing;
      const double base = (f.d - f.ny * y - f.nz * z0) * scale + grid_.column(0.0);
      const double step = -f.nz * dz * scale;
      if (f.nx > 0) {
        for (std::int64_t k = k0; k < k1; ++k) {
          const double edge = base + static_cast<double>(k) * step;
          high[k] = edge < high[k] ? edge : high[k];
        }
      } else {
        for (std::int64_t k = k0; k < k1; ++k) {
          const double edge = base + static_cast<double>(k) * step;
          low[k] = edge > low[k] ? edge : low[k];
        }
      }
    }
    for (std::int64_t k = k0; k < k1; ++k) {
      if (low[k] > high[k] + doubt) continue;
      const double begin = std::ceil(low[k] - doubt), end = std::floor(high[k] + doubt);
      Range run{static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end) + 1};
      if (steep || begin < low[k] + doubt || end > high[k] - doubt) {
        run = decide_ends(run, y, layers_.z(k));
      }
      if (!run.empty()) visit(k, run.begin, run.end, 1);
    }
  }

  // Settles the samples that the divisions left in doubt; a steep face, which no division looked at,
  // takes its samples away from one end.
  Range decide_ends(Range run, double y, double z) const {
    const auto inside = [&](std::int64_t j) { return inside_faces(grid_.x(static_cast<double>(j)), y, z); };
    run = intersect(run, columns_);
    while (!run.empty() && !inside(run.begin)) ++run.begin;
    while (!run.empty() && !inside(run.end - 1)) --run.end;
    return run;
  }

  void place_ellipsoid(const Solid& solid, const Pose& pose) {
    centre_ = to_laboratory(pose, solid.vertices.data());
    form_ = {};
    for (std::size_t k = 0; k < 3; ++k) {
      const double axis = solid.planes[4 * k + 3], inverse_square = 1.0 / (axis * axis);
      for (std::size_t a = 0; a < 3; ++a) {
        for (std::size_t b = 0; b < 3; ++b) {
          form_[a][b] += pose.rotation[a][k] * pose.rotation[b][k] * inverse_square;
        }
      }
    }
  }

  bool inside_ellipsoid(double x, double y, double z) const {
    const double u = x - centre_[0], v = y - centre_[1], w = z - centre_[2];
    return (form_[0][0] * u * u + form_[1][1] * v * v + form_[2][2] * w * w) +
               2.0 * (form_[0][1] * u * v + form_[0][2] * u * w + form_[1][2] * v * w) <=
           1.0;
  }

  template <class Visit>
  void ellipsoid_runs(std::int64_t i, const Visit& visit) {
    const double y = grid_.y(static_cast<double>(i)), v = y - centre_[1];
    const double a = form_[0][0];
    for (std::int64_t k = layer_range_.begin; k < layer_range_.end; ++k) {
      const double z = layers_.z(k), w = z - centre_[2];
      const double b = form_[0][1] * v + form_[0][2] * w;
      const double c = form_[1][1] * v * v + form_[2][2] * w * w + 2.0 * form_[1][2] * v * w - 1.0;
      const double square = b * b - a * c;
      const double half = square > 0.0 ? std::sqrt(square) : 0.0;
      const double left = grid_.column(centre_[0] + (-b - half) / a);
      const double right = grid_.column(centre_[0] + (-b + half) / a);
      // One sample more on each side, then the inequality itself decides.
      Range run = intersect(columns_, {to_integer(std::ceil(left), columns_.begin, columns_.end) - 1,
                                       to_integer(std::floor(right), columns_.begin - 2, columns_.end) + 2});
      const auto inside = [&](std::int64_t j) {
        return inside_ellipsoid(grid_.x(static_cast<double>(j)), y, z);
      };
      while (!run.empty() && !inside(run.begin)) ++run.begin;
      while (!run.empty() && !inside(run.end - 1)) --run.end;
      if (!run.empty()) visit(k, run.begin, run.end, 1);
    }
  }

  void place_mesh(const Solid& solid, const Pose& pose) {
    triangles_ = solid.triangles;
    points_.clear();
    for (std::size_t v = 0; v + 2 < solid.vertices.size(); v += 3) {
      const Vector3 p = to_laboratory(pose, &solid.vertices[v]);
      points_.push_back({p[2], p[1], p[0]});
    }
  }

  // A ray along x leaves the solid where a face looks towards +x: every sample before it gains one.
  template <class Visit>
  void mesh_runs(std::int64_t i, const Visit& visit) {
    const double y = grid_.y(static_cast<double>(i));
    Span span;
    for (std::size_t t = 0; t + 2 < triangles_.size(); t += 3) {
      if (!cross_line(points_.data(), &triangles_[t], y, &span)) continue;
      // (z, y, x) is a left-handed frame, which turns the sign round.
      const int sign = span.sign > 0 ? -1 : 1;
      const double begin = std::ceil((span.left - layers_.first) / layers_.spacing);
      const double end = std::ceil((span.right - layers_.first) / layers_.spacing);
      const std::int64_t k0 = to_integer(begin, layer_range_.begin, layer_range_.end);
      const std::int64_t k1 = to_integer(end, layer_range_.begin, layer_range_.end);
      const double slope = (span.right_depth - span.left_depth) / (span.right - span.left);
      const auto [low, high] = std::minmax(span.left_depth, span.right_depth);
      for (std::int64_t k = k0; k < k1; ++k) {
        const double depth = std::clamp(span.left_depth + slope * (layers_.z(k) - span.left), low, high);
        const std::int64_t last = to_integer(std::ceil(grid_.column(depth)), columns_.begin, columns_.end);
        if (last > columns_.begin) visit(k, columns_.begin, last, sign);
      }
    }
  }

  Grid grid_{};
  Layers layers_{};
  Range rows_, columns_, layer_range_;
  ShapeKind kind_ = ShapeKind::convex;
  std::vector<Face> faces_;
  std::vector<double> low_, high_;
  Vector3 centre_{};
  Matrix3 form_{};
  std::span<const std::int32_t> triangles_;
  std::vector<LinePoint> points_;
};

// Thickness by counting voxels along the beam: the slow, independent engine.
class VoxelCounts {
 public:
  void reserve(std::int64_t vertices, std::int64_t planes, std::int64_t columns) {
    runs_.reserve(vertices, planes);
    change_.resize(static_cast<std::size_t>(columns) + 1);
  }

  // Only voxels with their centre in the slab count from here on.
  void limit(const Slab& slab) { slab_ = slab; }

  void place(const Solid& solid, const Pose& pose, const Grid& grid) {
    const Box box = bounding_box(solid, pose);
    const double h = grid.spacing;
    const double first = std::floor(box.low[2] / h), last = std::ceil(box.high[2] / h);
    // Layers at half-integer multiples of h, so that a face in the plane z = 0 is no tie.
    if (!(last - first <= static_cast<double>(most_layers))) {
      throw ArgumentError("the voxel engine would need " + std::to_string(last - first) +
                          " layers of the pixel's size along the beam, expected at most 2^20: take larger "
                          "pixels, or engine='exact'");
    }
    layers_ = {(first + 0.5) * h, h, to_integer(last - first, 0, most_layers)};
    runs_.place(solid, pose, grid, layers_);
    spacing_ = h;
  }

  Range rows() const { return runs_.rows(); }
  Range columns() const { return runs_.columns(); }

  void accumulate(std::int64_t i, float weight, float* row) {
    const Range columns = runs_.columns();
    std::fill(change_.begin() + columns.begin, change_.begin() + columns.end + 1, 0);
    runs_.runs(i, [this](std::int64_t layer, std::int64_t begin, std::int64_t end, int sign) {
      const double z = layers_.z(layer);
      if (z < slab_.low || z >= slab_.high) return;
      change_[static_cast<std::size_t>(begin)] += sign;
      change_[static_cast<std::size_t>(end)] -= sign;
    });
    const float unit = weight * static_cast<float>(spacing_);
    std::int32_t count = 0;
    for (std::int64_t j = columns.begin; j < columns.end; ++j) {
      count += change_[static_cast<std::size_t>(j)];
      row[j] += unit * static_cast<float>(count);
    }
  }

 private:
  // Two numbers a layer and thread, and time for each layer of each row.
  static constexpr std::int64_t most_layers = 1 << 20;

  VoxelRuns runs_;
  Layers layers_{};
  Slab slab_;
  std::vector<std::int32_t> change_;
  double spacing_ = 0;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
