// Rotations as unit quaternions in SciPy's order (x, y, z, w), acting actively on vectors.
#pragma once

#include <array>
#include <cmath>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/rng.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

using Vector3 = std::array<double, 3>;
using Matrix3 = std::array<std::array<double, 3>, 3>;

struct Quaternion {
  double x = 0, y = 0, z = 0, w = 1;
};

// p·q: rotate by q first, then by p.
inline Quaternion operator*(const Quaternion& p, const Quaternion& q) {
  return {p.w * q.x + p.x * q.w + p.y * q.z - p.z * q.y, p.w * q.y - p.x * q.z + p.y * q.w + p.z * q.x,
          p.w * q.z + p.x * q.y - p.y * q.x + p.z * q.w, p.w * q.w - p.x * q.x - p.y * q.y - p.z * q.z};
}

inline double norm(const Quaternion& q) { return std::sqrt(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w); }

inline Quaternion normalised(const Quaternion& q) {
  const double n = norm(q);
  return {q.x / n, q.y / n, q.z / n, q.w / n};
}

inline Matrix3 matrix(const Quaternion& q) {
  const double xx = q.x * q.x, yy = q.y * q.y, zz = q.z * q.z;
  const double xy = q.x * q.y, xz = q.x * q.z, yz = q.y * q.z;
  const double wx = q.w * q.x, wy = q.w * q.y, wz = q.w * q.z;
  return {{{1 - 2 * (yy + zz), 2 * (xy - wz), 2 * (xz + wy)},
           {2 * (xy + wz), 1 - 2 * (xx + zz), 2 * (yz - wx)},
           {2 * (xz - wy), 2 * (yz + wx), 1 - 2 * (xx + yy)}}};
}

inline Vector3 operator*(const Matrix3& m, const Vector3& v) {
  return {m[0][0] * v[0] + m[0][1] * v[1] + m[0][2] * v[2], m[1][0] * v[0] + m[1][1] * v[1] + m[1][2] * v[2],
          m[2][0] * v[0] + m[2][1] * v[1] + m[2][2] * v[2]};
}

inline Vector3 rotate(const Quaternion& q, const Vector3& v) { return matrix(q) * v; }

// The rotation by the angle |rotation_vector| [rad] about its direction.
inline Quaternion from_rotation_vector(const Vector3& r) {
  const double angle = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
  if (angle == 0.0) return {};
  constexpr double inverse_four_pi = 0.07957747154594767;  // half the angle, in turns
  const SinCos half = sin_cos_turns(angle * inverse_four_pi);
  const double s = half.sine / angle;
  return {r[0] * s, r[1] * s, r[2] * s, half.cosine};
}

// The rotation reached after `time` [s] at the constant angular velocity `omega` [rad/s].
inline Quaternion from_angular_velocity(const Vector3& omega, double time) {
  return from_rotation_vector({omega[0] * time, omega[1] * time, omega[2] * time});
}

// From p (at 0) to q (at 1) the short way round at constant speed (Shoemake 1985).
inline Quaternion slerp(const Quaternion& p, Quaternion q, double fraction) {
  double dot = p.x * q.x + p.y * q.y + p.z * q.z + p.w * q.w;
  if (dot < 0) {
    q = {-q.x, -q.y, -q.z, -q.w};
    dot = -dot;
  }
  // The half-angle between them from its sine as well as its cosine: acos alone loses half the digits
  // when the two are close.
  const Quaternion step = q * Quaternion{-p.x, -p.y, -p.z, p.w};
  const double sine = std::sqrt(step.x * step.x + step.y * step.y + step.z * step.z);
  if (sine == 0.0) return p;
  const double scale = 2.0 * angle_of(sine, step.w) * fraction / sine;
  return from_rotation_vector({step.x * scale, step.y * scale, step.z * scale}) * p;
}

// Orientation number `index` of `seed`, uniform over all rotations (Haar; Shoemake 1992).
inline Quaternion haar_orientation(std::uint64_t seed, std::uint64_t index) {
  const Stream stream(seed, index, static_cast<std::uint32_t>(Stage::orientation));
  const Words a = stream.block(0), b = stream.block(1);
  const double split = unit_interval(a[0], a[1]);
  const SinCos first = sin_cos_turns(unit_interval(a[2], a[3]));
  const SinCos second = sin_cos_turns(unit_interval(b[0], b[1]));
  const double outer = std::sqrt(1.0 - split), inner = std::sqrt(split);
  return {outer * first.sine, outer * first.cosine, inner * second.sine, inner * second.cosine};
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
