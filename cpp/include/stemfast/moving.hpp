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

namespace stemfast {
inline namespace STEMFAST_ISA {

// The beams of one row: where each passes [nm], and the body's rotation at its time.
struct BeamRow {
  const double* x;
  const double* y;
  const double* rotation[9];  // each of n numbers; row-major elements of the matrices
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
  void accumulate(const Solid& solid, const Vector3& position, const BeamRow& beams, Range reach,
                  float weight, float* out) {
    inside_ = slab_.seen_from(position[2]);
    if (solid.kind == ShapeKind::mesh) {
      mesh(solid, position, beams, reach);
    } else {
      into_body_frame(position, beams, reach);
      if (solid.kind == ShapeKind::convex) {
        convex(solid, beams, reach);
      } else {
        ellipsoid(solid, beams, reach);
      }
    }
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      out[j] += weight * static_cast<float>(path_[static_cast<std::size_t>(j)]);
    }
  }

 private:
  // A beam in the body's frame starts at Rᵀ(r − position), z = 0, and runs along the third row of R.
  void into_body_frame(const Vector3& position, const BeamRow& beams, Range reach) {
    for (std::size_t k = 0; k < 3; ++k) {
      const double *rx = beams.rotation[k], *ry = beams.rotation[3 + k];
      double* origin = origin_[k].data();
      for (std::int64_t j = reach.begin; j < reach.end; ++j) {
        origin[j] = rx[j] * (beams.x[j] - position[0]) + ry[j] * (beams.y[j] - position[1]);
      }
    }
  }

  void convex(const Solid& solid, const BeamRow& beams, Range reach) {
    constexpr double far = Slab::far, parallel = 1e-12;
    double *leave = leave_.data(), *enter = enter_.data(), *path = path_.data();
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      leave[j] = inside_.high;
      enter[j] = inside_.low;
    }
    const double *u = beams.rotation[6], *v = beams.rotation[7], *w = beams.rotation[8];
    const double *ox = origin_[0].data(), *oy = origin_[1].data(), *oz = origin_[2].data();
    for (std::size_t f = 0; f + 3 < solid.planes.size(); f += 4) {
      const double nx = solid.planes[f], ny = solid.planes[f + 1], nz = solid.planes[f + 2],
                   d = solid.planes[f + 3];
      for (std::int64_t j = reach.begin; j < reach.end; ++j) {
        const double along = nx * u[j] + ny * v[j] + nz * w[j];
        const double room = d - (nx * ox[j] + ny * oy[j] + nz * oz[j]);
        const bool upright = std::abs(along) < parallel;
        const double z = room / (upright ? 1.0 : along);
        // An upright face lets the beam pass whole or not at all.
        const double exit = upright ? (room < 0.0 ? -far : far) : (along > 0.0 ? z : far);
        const double entry = upright ? -far : (along > 0.0 ? -far : z);
        leave[j] = exit < leave[j] ? exit : leave[j];
        enter[j] = entry > enter[j] ? entry : enter[j];
      }
    }
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      const double chord = leave[j] - enter[j];
      path[j] = chord > 0.0 ? chord : 0.0;
    }
  }

  // |S⁻¹(o + z·u − c)| = 1, a quadratic equation in z.
  void ellipsoid(const Solid& solid, const BeamRow& beams, Range reach) {
    const std::array<double, 3> scale{1.0 / solid.planes[3], 1.0 / solid.planes[7], 1.0 / solid.planes[11]};
    double* path = path_.data();
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      double a = 0.0, b = 0.0, c = -1.0;
      for (std::size_t k = 0; k < 3; ++k) {
        const double along = beams.rotation[6 + k][j] * scale[k];
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
  void mesh(const Solid& solid, const Vector3& position, const BeamRow& beams, Range reach) {
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      if (j == reach.begin || turned(beams, j)) pose_mesh(solid, beams, j);
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

  static bool turned(const BeamRow& beams, std::int64_t j) {
    for (const double* element : beams.rotation) {
      if (element[j] != element[j - 1]) return true;
    }
    return false;
  }

  void pose_mesh(const Solid& solid, const BeamRow& beams, std::int64_t j) {
    points_.clear();
    const auto r = [&](std::size_t k) { return beams.rotation[k][j]; };
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
