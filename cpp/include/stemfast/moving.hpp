// Exact chords where the beam leaves its grid, or the pose changes from pixel to pixel: every beam is
// taken into the body's own frame and followed there.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/body.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/mesh.hpp"
#include "stemfast/quotient.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Where each beam of one row passes [nm].
struct BeamRow {
  const double* x;
  const double* y;
};

// The body's rotation at the time of beam j, element e of nine by rows: one for the whole row, or each its
// own.
struct OneRotation {
  Matrix3 matrix;
  double operator()(std::size_t e, std::int64_t) const { return matrix[e / 3][e % 3]; }
};
struct RotationOfEach {
  std::array<const double*, 9> element;
  double operator()(std::size_t e, std::int64_t j) const { return element[e][j]; }
};

class MovingChords {
 public:
  void reserve(std::int64_t vertices, std::int64_t columns) {
    points_.reserve(static_cast<std::size_t>(vertices));
    for (auto* v : {&path_, &leave_, &enter_}) v->resize(static_cast<std::size_t>(columns));
    for (auto& v : origin_) v.resize(static_cast<std::size_t>(columns));
  }

  // Only what lies in the slab counts from here on.
  void limit(const Slab& slab) { slab_ = slab; }

  // out[j] += weight · chord of beam j, for the beams of `reach`.
  template <class Rotation>
  void accumulate(const Solid& solid, const Vector3& position, const Rotation& rotation, const BeamRow& beams,
                  Range reach, float weight, float* out) {
    inside_ = slab_.seen_from(position[2]);
    if (solid.kind == ShapeKind::mesh) {
      mesh(solid, position, rotation, beams, reach);
    } else {
      into_body_frame(position, rotation, beams, reach);
      if (solid.kind == ShapeKind::convex) {
        convex(solid, rotation, reach);
      } else {
        ellipsoid(solid, rotation, reach);
      }
    }
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      out[j] += weight * static_cast<float>(path_[static_cast<std::size_t>(j)]);
    }
  }

 private:
  // A beam in the body's frame starts at Rᵀ(r − position), z = 0, and runs along the third row of R.
  template <class Rotation>
  void into_body_frame(const Vector3& position, const Rotation& rotation, const BeamRow& beams, Range reach) {
    const double px = position[0], py = position[1];
    const double *x = beams.x, *y = beams.y;
    for (std::size_t k = 0; k < 3; ++k) {
      double* origin = origin_[k].data();
      for (std::int64_t j = reach.begin; j < reach.end; ++j) {
        origin[j] = rotation(k, j) * (x[j] - px) + rotation(3 + k, j) * (y[j] - py);
      }
    }
  }

  // Below this |cosine| between a beam and a face's normal the face lets the beam pass whole or not at all.
  static constexpr double parallel = 1e-12;

  template <class Rotation>
  void convex(const Solid& solid, const Rotation& rotation, Range reach) {
    double *leave = leave_.data(), *enter = enter_.data(), *path = path_.data();
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      leave[j] = inside_.high;
      enter[j] = inside_.low;
    }
    pass_faces(solid, rotation, reach);
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      const double chord = leave[j] - enter[j];
      path[j] = chord > 0.0 ? chord : 0.0;
    }
  }

  // The beams are parallel in the body's frame: each face lets all of them out, or in, and divides by one
  // number.
  void pass_faces(const Solid& solid, const OneRotation& rotation, Range reach) {
    double *leave = leave_.data(), *enter = enter_.data();
    const double u = rotation(6, 0), v = rotation(7, 0), w = rotation(8, 0);
    const double *ox = origin_[0].data(), *oy = origin_[1].data(), *oz = origin_[2].data();
    for (std::size_t f = 0; f + 3 < solid.planes.size(); f += 4) {
      const double nx = solid.planes[f], ny = solid.planes[f + 1], nz = solid.planes[f + 2],
                   d = solid.planes[f + 3];
      const double along = nx * u + ny * v + nz * w;
      const auto room = [=](std::int64_t j) { return d - (nx * ox[j] + ny * oy[j] + nz * oz[j]); };
      if (std::abs(along) < parallel) {
        for (std::int64_t j = reach.begin; j < reach.end; ++j) {
          leave[j] = room(j) < 0.0 ? -Slab::far : leave[j];
        }
        continue;
      }
      const double inverse = 1.0 / along;
      if (along > 0.0) {
        for (std::int64_t j = reach.begin; j < reach.end; ++j) {
          const double z = quotient(room(j), along, inverse);
          leave[j] = z < leave[j] ? z : leave[j];
        }
      } else {
        for (std::int64_t j = reach.begin; j < reach.end; ++j) {
          const double z = quotient(room(j), along, inverse);
          enter[j] = z > enter[j] ? z : enter[j];
        }
      }
    }
  }

  void pass_faces(const Solid& solid, const RotationOfEach& rotation, Range reach) {
    constexpr double far = Slab::far;
    double *leave = leave_.data(), *enter = enter_.data();
    const double *u = rotation.element[6], *v = rotation.element[7], *w = rotation.element[8];
    const double *ox = origin_[0].data(), *oy = origin_[1].data(), *oz = origin_[2].data();
    for (std::size_t f = 0; f + 3 < solid.planes.size(); f += 4) {
      const double nx = solid.planes[f], ny = solid.planes[f + 1], nz = solid.planes[f + 2],
                   d = solid.planes[f + 3];
      for (std::int64_t j = reach.begin; j < reach.end; ++j) {
        const double along = nx * u[j] + ny * v[j] + nz * w[j];
        const double room = d - (nx * ox[j] + ny * oy[j] + nz * oz[j]);
        const bool upright = std::abs(along) < parallel;
        const double z = room / (upright ? 1.0 : along);
        const double exit = upright ? (room < 0.0 ? -far : far) : (along > 0.0 ? z : far);
        const double entry = upright ? -far : (along > 0.0 ? -far : z);
        leave[j] = exit < leave[j] ? exit : leave[j];
        enter[j] = entry > enter[j] ? entry : enter[j];
      }
    }
  }

  // |S⁻¹(o + z·u − c)| = 1, a quadratic equation in z.
  template <class Rotation>
  void ellipsoid(const Solid& solid, const Rotation& rotation, Range reach) {
    const std::array<double, 3> scale{1.0 / solid.planes[3], 1.0 / solid.planes[7], 1.0 / solid.planes[11]};
    double* path = path_.data();
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      double a = 0.0, b = 0.0, c = -1.0;
      for (std::size_t k = 0; k < 3; ++k) {
        const double along = rotation(6 + k, j) * scale[k];
        const double from = (origin_[k][static_cast<std::size_t>(j)] - solid.vertices[k]) * scale[k];
        a += along * along;
        b += along * from;
        c += from * from;
      }
      const double square = b * b - a * c;
      const double half = square > 0.0 ? std::sqrt(square) / a : 0.0;
      if (!inside_.bounded()) {
        path[j] = 2.0 * half;
        continue;
      }
      const double leave = half - b / a, enter = -half - b / a;
      const double exit = leave < inside_.high ? leave : inside_.high;
      const double entry = enter > inside_.low ? enter : inside_.low;
      path[j] = exit > entry ? exit - entry : 0.0;
    }
  }

  // Beam by beam: the mesh is posed for it and crossed by the one line that holds it.
  template <class Rotation>
  void mesh(const Solid& solid, const Vector3& position, const Rotation& rotation, const BeamRow& beams,
            Range reach) {
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      if (j == reach.begin || turned(rotation, j)) pose_mesh(solid, rotation, j);
      const double x = beams.x[j] - position[0], y = beams.y[j] - position[1];
      double path = 0.0;
      Span span;
      for (std::size_t t = 0; t + 2 < solid.triangles.size(); t += 3) {
        if (!cross_line(points_.data(), &solid.triangles[t], y, &span)) continue;
        if (!(span.left <= x && x < span.right)) continue;
        const double share = (x - span.left) / (span.right - span.left);
        const double depth = span.left_depth + share * (span.right_depth - span.left_depth);
        path +=
            span.sign * (depth < inside_.low ? inside_.low : (depth > inside_.high ? inside_.high : depth));
      }
      path_[static_cast<std::size_t>(j)] = path > 0.0 ? path : 0.0;
    }
  }

  static bool turned(const OneRotation&, std::int64_t) { return false; }
  static bool turned(const RotationOfEach& rotation, std::int64_t j) {
    for (const double* element : rotation.element) {
      if (element[j] != element[j - 1]) return true;
    }
    return false;
  }

  template <class Rotation>
  void pose_mesh(const Solid& solid, const Rotation& rotation, std::int64_t j) {
    points_.clear();
    const auto r = [&](std::size_t e) { return rotation(e, j); };
    for (std::size_t v = 0; v + 2 < solid.vertices.size(); v += 3) {
      const double* p = &solid.vertices[v];
      points_.push_back({r(0) * p[0] + r(1) * p[1] + r(2) * p[2], r(3) * p[0] + r(4) * p[1] + r(5) * p[2],
                         r(6) * p[0] + r(7) * p[1] + r(8) * p[2]});
    }
  }

  Slab slab_, inside_;  // in the laboratory, and from the body's position
  std::vector<double> path_, leave_, enter_;
  std::array<std::vector<double>, 3> origin_;
  std::vector<LinePoint> points_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
