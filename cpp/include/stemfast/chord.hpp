// Exact chords of convex polyhedra and ellipsoids along the beam, a row of the scan at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/body.hpp"
#include "stemfast/isa.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// A half-space n·x ≤ d bounds the beam through (x, y) at z = (d − nx·x − ny·y)/nz: from behind where
// nz > 0, from the front where nz < 0. The chord is min over exits − max over entries, where positive,
// and each bound is affine along a row. Faces parallel to the beam limit the row instead.
class ConvexChords {
 public:
  void reserve(std::int64_t planes, std::int64_t columns) {
    bounds_.reserve(planes + 2);  // and the slab's
    upright_.reserve(static_cast<std::size_t>(planes));
    const auto padded = static_cast<std::size_t>(columns + lanes);
    for (auto* v : {&exit_, &minus_entry_, &index_}) v->resize(padded);
    for (std::size_t j = 0; j < padded; ++j) index_[j] = static_cast<float>(j);
  }

  // Only what lies in the slab counts from here on.
  void limit(const Slab& slab) { slab_ = slab; }

  void place(const Solid& solid, const Pose& pose, const Grid& grid) {
    const Box box = bounding_box(solid, pose);
    rows_ = grid.rows_within(box.low[1], box.high[1]);
    columns_ = grid.columns_within(box.low[0], box.high[0]);
    grid_ = grid;
    if (box.high[2] <= slab_.low || box.low[2] >= slab_.high) rows_ = {0, 0};
    const Slab slab = slab_.seen_from(pose.position[2]);
    bounds_.clear();
    upright_.clear();
    for (const bool exits : {true, false}) {
      for (std::size_t f = 0; f + 3 < solid.planes.size(); f += 4) {
        const double* plane = &solid.planes[f];
        const Vector3 n = pose.rotation * Vector3{plane[0], plane[1], plane[2]};
        // z counts from the body's own position, which keeps it small.
        const double d = plane[3] + n[0] * pose.position[0] + n[1] * pose.position[1];
        if (std::abs(n[2]) <= upright_limit) {
          if (exits) upright_.push_back({n[0], n[1], d});
        } else if ((n[2] > 0) == exits) {
          const double inverse = 1.0 / std::abs(n[2]);
          bounds_.push((d - n[0] * grid.x(0)) * inverse, -n[1] * inverse, -n[0] * grid.spacing * inverse);
        }
      }
      // The slab is two more half-spaces.
      if (slab.bounded()) bounds_.push(exits ? slab.high : -slab.low, 0.0, 0.0);
      if (exits) exits_ = bounds_.count;
    }
    bounds_.pad();
    // Whole vectors: past the outline the chord is zero anyway, unless an upright face says where it is.
    if (upright_.empty()) columns_ = widened(columns_, grid.columns);
  }

  Range rows() const { return rows_; }
  Range columns() const { return columns_; }

  // row[j] += weight · chord at sample (row `i`, column j), for the columns the body can reach.
  void accumulate(std::int64_t i, float weight, float* row) {
    const double y = grid_.y(static_cast<double>(i));
    const Range reach = upright_.empty() ? columns_ : limit_by_upright_faces(y);
    if (reach.empty()) return;
    const std::int64_t n = (reach.size() + lanes - 1) / lanes * lanes;
    bounds_.at_row(y, reach);
    const float* index = index_.data() + reach.begin;
    bounds_.nearest(0, exits_, index, n, exit_.data());
    bounds_.nearest(exits_, bounds_.count, index, n, minus_entry_.data());
    const float* exit = exit_.data();
    const float* minus_entry = minus_entry_.data();
    float* out = row + reach.begin;
    for (std::int64_t j = 0; j < reach.size(); ++j) {
      const float chord = exit[j] + minus_entry[j];
      out[j] += weight * (chord > 0.0f ? chord : 0.0f);
    }
  }

 private:
  // Below this |nz| a face tilts by less than 1e-7 nm over any particle: it is taken as upright.
  static constexpr double upright_limit = 1e-9;
  // Samples are worked on in groups of so many: the widest vector there is.
  static constexpr std::int64_t lanes = 16;

  static Range widened(Range r, std::int64_t limit) {
    const std::int64_t end = (r.end + lanes - 1) / lanes * lanes;
    return {r.begin / lanes * lanes, end < limit ? end : limit};
  }

  // The bounds ±z = base + y·per_y + column·per_column of the sloped faces: exits first, then the entries
  // with their sign turned, so that both ask for the least.
  //
  // In float, a bound is written (column − origin)·slope + start with the integer `origin` at the sample
  // where |z| is least. Both terms are then no larger than |z| itself, so the rounding error is relative
  // to z however steep the face.
  struct Bounds {
    static constexpr std::size_t group = 8;
    std::size_t count = 0;
    std::vector<double> base, per_y, per_column, inverse;
    std::vector<float> origin, slope, start;

    void reserve(std::int64_t n) {
      const auto padded = (static_cast<std::size_t>(n) + group - 1) / group * group;
      for (auto* v : {&base, &per_y, &per_column, &inverse}) v->resize(padded);
      for (auto* v : {&origin, &slope, &start}) v->resize(padded);
    }
    void clear() { count = 0; }
    void push(double base_, double per_y_, double per_column_) {
      base[count] = base_;
      per_y[count] = per_y_;
      per_column[count] = per_column_;
      inverse[count] = per_column_ == 0.0 ? 0.0 : 1.0 / per_column_;
      ++count;
    }
    void pad() {
      for (std::size_t k = count; k % group != 0; ++k) {
        base[k] = per_y[k] = per_column[k] = inverse[k] = 0.0;
      }
    }

    void at_row(double y, Range reach) {
      const auto first = static_cast<double>(reach.begin), last = static_cast<double>(reach.end - 1);
      for (std::size_t k = 0; k < count; k += group) {
        for (std::size_t l = k; l < k + group; ++l) {
          const double z0 = base[l] + y * per_y[l];
          double zero = -z0 * inverse[l];
          zero = zero < last ? zero : last;
          zero = zero > first ? zero : first;
          const double at = std::floor(zero + 0.5);
          origin[l] = static_cast<float>(at);
          slope[l] = static_cast<float>(per_column[l]);
          start[l] = static_cast<float>(z0 + at * per_column[l]);
        }
      }
    }

    // The least of bounds k … end − 1 at each sample.
    void nearest(std::size_t k, std::size_t end, const float* index, std::int64_t n, float* z) const {
      if ((end - k) % 2 != 0) {
        const float o = origin[k], s = slope[k], c = start[k];
        for (std::int64_t j = 0; j < n; ++j) z[j] = (index[j] - o) * s + c;
        k += 1;
      } else {
        const float oa = origin[k], sa = slope[k], ca = start[k];
        const float ob = origin[k + 1], sb = slope[k + 1], cb = start[k + 1];
        for (std::int64_t j = 0; j < n; ++j) {
          z[j] = lesser((index[j] - oa) * sa + ca, (index[j] - ob) * sb + cb);
        }
        k += 2;
      }
      for (; k < end; k += 2) {
        const float oa = origin[k], sa = slope[k], ca = start[k];
        const float ob = origin[k + 1], sb = slope[k + 1], cb = start[k + 1];
        for (std::int64_t j = 0; j < n; ++j) {
          const float a = (index[j] - oa) * sa + ca, b = (index[j] - ob) * sb + cb;
          z[j] = lesser(z[j], lesser(a, b));
        }
      }
    }

    static float lesser(float a, float b) { return a < b ? a : b; }
  };

  struct Upright {
    double nx, ny, d;
  };

  Range limit_by_upright_faces(double y) const {
    Range reach = columns_;
    for (const Upright& face : upright_) {
      const auto inside = [&](std::int64_t j) {
        return face.nx * grid_.x(static_cast<double>(j)) + face.ny * y <= face.d;
      };
      // The division finds the last sample to within one; the inequality itself decides.
      if (face.nx == 0.0) {
        if (face.ny * y > face.d) return {0, 0};
        continue;
      }
      const double edge = grid_.column((face.d - face.ny * y) / face.nx);
      std::int64_t j = to_integer(std::floor(edge), reach.begin - 1, reach.end + 1);
      if (face.nx > 0) {
        while (j + 1 < reach.end && inside(j + 1)) ++j;
        while (j >= reach.begin && !inside(j)) --j;
        reach.end = j + 1 < reach.end ? j + 1 : reach.end;
      } else {
        while (j - 1 >= reach.begin && inside(j - 1)) --j;
        while (j < reach.end && !inside(j)) ++j;
        reach.begin = j > reach.begin ? j : reach.begin;
      }
      if (reach.empty()) return {0, 0};
    }
    return reach;
  }

  Grid grid_{};
  Slab slab_;
  Range rows_, columns_;
  Bounds bounds_;
  std::size_t exits_ = 0;
  std::vector<Upright> upright_;
  std::vector<float> exit_, minus_entry_, index_;
};

// With A the body's quadratic form in the laboratory frame ((r−c)ᵀA(r−c) ≤ 1), the chord along z is
// (2/√a)·√(1 − Q(x, y)), a = Azz, Q the form of the outline. Along a row 1 − Q = q·(x − x₁)(x₂ − x),
// which keeps its digits at the rim where 1 − Q itself would cancel.
class EllipsoidChords {
 public:
  // Only what lies in the slab counts from here on.
  void limit(const Slab& slab) { slab_ = slab; }

  void place(const Solid& solid, const Pose& pose, const Grid& grid) {
    const Box box = bounding_box(solid, pose);
    rows_ = grid.rows_within(box.low[1], box.high[1]);
    columns_ = grid.columns_within(box.low[0], box.high[0]);
    grid_ = grid;
    const Vector3 c = to_laboratory(pose, solid.vertices.data());
    centre_x_ = c[0];
    centre_y_ = c[1];
    inside_ = slab_.seen_from(c[2]);
    Matrix3 form{};
    for (std::size_t k = 0; k < 3; ++k) {
      const double axis = solid.planes[4 * k + 3], inverse_square = 1.0 / (axis * axis);
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) {
          form[i][j] += pose.rotation[i][k] * pose.rotation[j][k] * inverse_square;
        }
      }
    }
    const double a = form[2][2];
    qxx_ = form[0][0] - form[0][2] * form[0][2] / a;
    qxy_ = form[0][1] - form[0][2] * form[1][2] / a;
    qyy_ = form[1][1] - form[1][2] * form[1][2] / a;
    scale_ = 2.0 / std::sqrt(a);
    middle_x_ = -form[0][2] / a;
    middle_y_ = -form[1][2] / a;
  }

  Range rows() const { return rows_; }
  Range columns() const { return columns_; }

  void accumulate(std::int64_t i, float weight, float* row) const {
    const double y = grid_.y(static_cast<double>(i)) - centre_y_;
    // Roots of qxx x² + 2 qxy y x + qyy y² − 1 = 0.
    const double middle = -qxy_ * y / qxx_;
    const double half_square = (1.0 - (qyy_ - qxy_ * qxy_ / qxx_) * y * y) / qxx_;
    if (!(half_square > 0.0)) return;
    const double half = std::sqrt(half_square);
    const double left = grid_.column(centre_x_ + middle - half);
    const double right = grid_.column(centre_x_ + middle + half);
    const Range reach =
        intersect(columns_, {to_integer(std::ceil(left), columns_.begin, columns_.end),
                             to_integer(std::floor(right), columns_.begin - 1, columns_.end) + 1});
    if (reach.empty()) return;
    const float from_left = static_cast<float>(static_cast<double>(reach.begin) - left);
    const float from_right = static_cast<float>(right - static_cast<double>(reach.end - 1));
    const float amplitude = weight * static_cast<float>(scale_ * std::sqrt(qxx_) * grid_.spacing);
    float* out = row + reach.begin;
    const auto n = static_cast<std::int32_t>(reach.size());
    if (slab_.bounded()) {
      const float half_height = 0.5f * static_cast<float>(scale_ * std::sqrt(qxx_) * grid_.spacing);
      return add_slab(reach, y, half_height, from_left, from_right, weight, out);
    }
    for (std::int32_t j = 0; j < n; ++j) {
      const float u = from_left + static_cast<float>(j), v = from_right + static_cast<float>(n - 1 - j);
      out[j] += amplitude * std::sqrt(u * v);
    }
  }

 private:
  // The chord's middle lies in a plane through the centre; its ends are clamped to the slab.
  void add_slab(Range reach, double y, float half_height, float from_left, float from_right, float weight,
                float* out) const {
    const double x = grid_.x(static_cast<double>(reach.begin)) - centre_x_;
    const auto first = static_cast<float>(middle_x_ * x + middle_y_ * y);
    const auto step = static_cast<float>(middle_x_ * grid_.spacing);
    const auto low = static_cast<float>(inside_.low), high = static_cast<float>(inside_.high);
    const auto n = static_cast<std::int32_t>(reach.size());
    for (std::int32_t j = 0; j < n; ++j) {
      const float u = from_left + static_cast<float>(j), v = from_right + static_cast<float>(n - 1 - j);
      const float half = half_height * std::sqrt(u * v), middle = first + static_cast<float>(j) * step;
      const float exit = middle + half < high ? middle + half : high;
      const float entry = middle - half > low ? middle - half : low;
      out[j] += weight * (exit > entry ? exit - entry : 0.0f);
    }
  }

  Grid grid_{};
  Slab slab_, inside_;  // in the laboratory, and from the centre
  Range rows_, columns_;
  double middle_x_ = 0, middle_y_ = 0;
  double centre_x_ = 0, centre_y_ = 0, qxx_ = 1, qxy_ = 0, qyy_ = 1, scale_ = 0;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
