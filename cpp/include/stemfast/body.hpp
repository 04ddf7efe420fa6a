// One solid of the shape table, posed in the laboratory frame.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "stemfast/isa.hpp"
#include "stemfast/quaternion.hpp"
#include "stemfast/scan.hpp"
#include "stemfast/scene.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

struct Solid {
  ShapeKind kind;
  std::span<const double> planes;           // (n, 4)
  std::span<const double> vertices;         // (n, 3)
  std::span<const std::int32_t> triangles;  // (n, 3)
};

inline Solid solid_of(const ShapeTable& table, std::int64_t shape) {
  const auto s = static_cast<std::size_t>(shape);
  const auto slice = [s](auto values, std::span<const std::int64_t> offset, std::size_t width) {
    const auto begin = static_cast<std::size_t>(offset[s]) * width;
    const auto end = static_cast<std::size_t>(offset[s + 1]) * width;
    return values.subspan(begin, end - begin);
  };
  return {static_cast<ShapeKind>(table.kind[s]), slice(table.planes, table.plane_offset, 4),
          slice(table.vertices, table.vertex_offset, 3), slice(table.triangles, table.triangle_offset, 3)};
}

// A solid's placement: x_lab = rotation · x_body + position.
struct Pose {
  Matrix3 rotation;
  Vector3 position;
};

inline Vector3 to_laboratory(const Pose& pose, const double* point) {
  const Vector3 r = pose.rotation * Vector3{point[0], point[1], point[2]};
  return {r[0] + pose.position[0], r[1] + pose.position[1], r[2] + pose.position[2]};
}

// A slice of space across the beam, low ≤ z < high [nm]. The widest one is finite, as all numbers here are.
struct Slab {
  static constexpr double far = 1e30;
  double low = -far, high = far;

  bool bounded() const { return low > -far || high < far; }
  Slab seen_from(double z) const { return {low > -far ? low - z : -far, high < far ? high - z : far}; }
};

struct Box {
  Vector3 low, high;
};

// The box around a posed solid, its sides along the laboratory axes.
inline Box bounding_box(const Solid& solid, const Pose& pose) {
  constexpr double huge = 1e300;
  Box box{{huge, huge, huge}, {-huge, -huge, -huge}};
  if (solid.kind == ShapeKind::ellipsoid) {
    const Vector3 centre = to_laboratory(pose, solid.vertices.data());
    for (std::size_t i = 0; i < 3; ++i) {
      double square = 0.0;
      for (std::size_t k = 0; k < 3; ++k) {
        const double reach = pose.rotation[i][k] * solid.planes[4 * k + 3];
        square += reach * reach;
      }
      box.low[i] = centre[i] - std::sqrt(square);
      box.high[i] = centre[i] + std::sqrt(square);
    }
    return box;
  }
  for (std::size_t v = 0; v + 2 < solid.vertices.size(); v += 3) {
    const Vector3 p = to_laboratory(pose, &solid.vertices[v]);
    for (std::size_t i = 0; i < 3; ++i) {
      if (p[i] < box.low[i]) box.low[i] = p[i];
      if (p[i] > box.high[i]) box.high[i] = p[i];
    }
  }
  return box;
}

// The radius about the particle's origin that holds the solid in every orientation.
inline double bounding_radius(const Solid& solid) {
  double reach = 0.0, axis = 0.0;
  for (std::size_t v = 0; v + 2 < solid.vertices.size(); v += 3) {
    const double* p = &solid.vertices[v];
    const double r = std::sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
    if (r > reach) reach = r;
  }
  if (solid.kind == ShapeKind::ellipsoid) {
    for (std::size_t k = 0; k < 3; ++k) {
      if (solid.planes[4 * k + 3] > axis) axis = solid.planes[4 * k + 3];
    }
  }
  return reach + axis;
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
