// The probe's tail: intensity far outside the central peak, falling off as 1/r³.
//
// L(r) = (1 + r²/γ²)^(−3/2)/(2πγ²), the Cauchy distribution in two dimensions. Its integral is 1, its
// integral along any line across the probe is a Lorentzian of half width γ, and it is a mixture of
// Gaussians: r/γ is normal with the standard deviation 1/|z|, z itself standard normal (it is Student's t
// with one degree of freedom). With s = γ/z,
//   L = ∫ G_s·√(2/π)·z·exp(−z²/2) d(ln s),
// here by the trapezoidal rule in steps of ln 2, which for so smooth an integrand is good to 0.1 %.
//
// Widths an octave apart are what a pyramid of grids makes: each level halves the grid and blurs by as
// much more, so all wide Gaussians together cost about a third more than the first of them.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/probe.hpp"
#include "stemfast/resampling.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

class LorentzianTail {
 public:
  // gamma in pixels.
  void set(double gamma, std::int64_t rows, std::int64_t columns) {
    if (rows != rows_ || columns != columns_) build_levels(rows, columns);
    if (gamma == gamma_) return;
    gamma_ = gamma;
    set_weights();
  }

  // field = (1 − fraction)·field + fraction·(L ∗ field), the field mirrored past its edges. Work on rows is
  // handed out by share(n, work): it calls work(Range) for all of 0 … n − 1, in any pieces, and waits.
  template <class Share>
  void add_to(const ImageView<float>& field, float fraction, const Share& share) {
    tail_.assign(static_cast<std::size_t>(rows_ * columns_), 0.0f);
    add_narrow(field, share);
    add_wide(field, share);
    const float rest = 1.0f - fraction + fraction * point_weight_;
    share(rows_, [&](Range rows) {
      for (std::int64_t j = rows.begin * columns_; j < rows.end * columns_; ++j) {
        field.data[j] = rest * field.data[j] + fraction * tail_[static_cast<std::size_t>(j)];
      }
    });
  }

 private:
  // s of level l is `scale`·2^l pixels, of which the level's own blur is `own`·2^l and the way back up
  // the rest: the B-splines' variances 4^l/3 + … + 4/3, but for the 1/3 that level 0 does not have.
  static constexpr double own = 1.3;
  static constexpr double scale = 1.42185325;  // √(own² + 1/3)
  // Levels below 0 are narrower than a pixel; those left out here together are a point.
  static constexpr int lowest_level = -3;
  static constexpr float negligible = 5e-4f;

  struct Level {
    std::int64_t rows, columns;
    Resampling down_y, down_x, up_y, up_x;
    std::vector<float> field;  // of this level
    float weight = 0.0f;
  };

  struct Narrow {
    float weight;
    GaussianProbe blur;
  };

  void build_levels(std::int64_t rows, std::int64_t columns) {
    rows_ = rows;
    columns_ = columns;
    gamma_ = 0.0;
    levels_.clear();
    double up_y = 0.0, up_x = 0.0, variance_y = 0.0, variance_x = 0.0;  // [px²]
    for (std::int64_t r = rows, c = columns; r > 1 || c > 1;) {
      const std::int64_t half_r = (r + 1) / 2, half_c = (c + 1) / 2;
      const double s = scale * std::ldexp(1.0, static_cast<int>(levels_.size()) + 1);
      const double dy = static_cast<double>(rows) / static_cast<double>(half_r);
      const double dx = static_cast<double>(columns) / static_cast<double>(half_c);
      up_y += dy * dy / 3.0;
      up_x += dx * dx / 3.0;
      Level level{half_r, half_c, {}, {}, {}, {}, {}};
      level.down_y.reduce(r, half_r, increment(s, up_y, variance_y, rows, r));
      level.down_x.reduce(c, half_c, increment(s, up_x, variance_x, columns, c));
      level.up_y.expand(half_r, r);
      level.up_x.expand(half_c, c);
      level.field.resize(static_cast<std::size_t>(half_r * half_c));
      levels_.push_back(std::move(level));
      r = half_r;
      c = half_c;
    }
  }

  // How much blur, in rows of the finer grid, brings a level to s when the way back adds `up`.
  static double increment(double s, double up, double& variance, std::int64_t n, std::int64_t finer) {
    const double pixels = static_cast<double>(n) / static_cast<double>(finer);
    double more = s * s - up - variance;
    // An axis of one cell is uniform already.
    more = more > 0.25 * pixels * pixels ? more : 0.25 * pixels * pixels;
    variance += more;
    return std::sqrt(more) / pixels;
  }

  static double density(double gamma, int level) {
    const double z = gamma / (scale * std::ldexp(1.0, level));
    return z > 30.0 ? 0.0 : z * exponential(-0.5 * z * z);
  }

  void set_weights() {
    const int top = static_cast<int>(levels_.size());
    double total = 0.0, points = 0.0, beyond = 0.0;
    for (int l = lowest_level - 40; l <= top + 40; ++l) {
      const double d = density(gamma_, l);
      total += d;
      if (l < lowest_level) points += d;
      if (l > top) beyond += d;
    }
    point_weight_ = static_cast<float>(points / total);
    narrow_.clear();
    for (int l = lowest_level; l <= 0; ++l) {
      const auto weight = static_cast<float>(density(gamma_, l) / total);
      if (weight < negligible) {
        point_weight_ += weight;
        continue;
      }
      narrow_.push_back({weight, {}});
      narrow_.back().blur.set(scale * std::ldexp(1.0, l), columns_, Boundary::reflect);
    }
    for (int l = 1; l <= top; ++l) {
      levels_[static_cast<std::size_t>(l) - 1].weight = static_cast<float>(density(gamma_, l) / total);
    }
    // What is wider than the field is the field's mean, which is all the top level holds.
    if (top > 0) {
      levels_.back().weight += static_cast<float>(beyond / total);
    } else {
      point_weight_ += static_cast<float>(beyond / total);
    }
  }

  template <class Share>
  void add_narrow(const ImageView<float>& field, const Share& share) {
    if (narrow_.empty()) return;
    first_.resize(tail_.size());
    const ImageView<float> along{first_.data(), rows_, columns_};
    for (const Narrow& part : narrow_) {
      share(rows_, [&](Range rows) {
        GaussianProbe blur = part.blur;  // with scratch space of its own
        for (std::int64_t i = rows.begin; i < rows.end; ++i) {
          blur.along_row(field.row(i), along.row(i), columns_);
        }
      });
      share(rows_, [&](Range rows) {
        std::vector<float> row(static_cast<std::size_t>(columns_));
        for (std::int64_t i = rows.begin; i < rows.end; ++i) {
          part.blur.across_rows(along, i, row.data());
          float* out = tail_.data() + i * columns_;
          for (std::int64_t j = 0; j < columns_; ++j) {
            out[j] += part.weight * row[static_cast<std::size_t>(j)];
          }
        }
      });
    }
  }

  // Small fields are not worth handing out: a team's meeting costs more.
  template <class Share, class Work>
  static void if_many(std::int64_t rows, std::int64_t columns, const Share& share, const Work& work) {
    if (rows * columns < (std::int64_t{1} << 18)) return work(Range{0, rows});
    share(rows, work);
  }

  template <class Share>
  void add_wide(const ImageView<float>& field, const Share& share) {
    if (levels_.empty()) return;
    const auto resample = [&](const Resampling& how, const std::vector<float>& in, std::int64_t columns,
                              float* out, bool add) {
      if_many(how.rows_out(), columns, share,
              [&](Range rows) { how.apply(in.data(), columns, rows, out, add); });
    };
    const auto turn = [&](const float* in, std::int64_t rows, std::int64_t columns, float* out) {
      if_many(rows, columns, share, [&](Range some) { transpose(in, rows, columns, some, out); });
    };
    const float* finer = field.data;
    std::int64_t columns = columns_;
    for (Level& level : levels_) {
      // The shorter axis first leaves less to transpose.
      first_.resize(static_cast<std::size_t>(level.rows * columns));
      second_.resize(first_.size());
      if_many(level.rows, columns, share,
              [&](Range rows) { level.down_y.apply(finer, columns, rows, first_.data(), false); });
      turn(first_.data(), level.rows, columns, second_.data());
      first_.resize(level.field.size());
      resample(level.down_x, second_, level.rows, first_.data(), false);
      turn(first_.data(), level.columns, level.rows, level.field.data());
      finer = level.field.data();
      columns = level.columns;
    }
    // From the top down: each level becomes its own share and that of all coarser ones.
    for (float& v : levels_.back().field) v *= levels_.back().weight;
    for (std::size_t l = levels_.size(); l-- > 0;) {
      Level& level = levels_[l];
      const std::int64_t out_columns = level.up_x.rows_out();
      float* out = l == 0 ? tail_.data() : levels_[l - 1].field.data();
      if (l > 0) {
        for (float& v : levels_[l - 1].field) v *= levels_[l - 1].weight;
      }
      first_.resize(level.field.size());
      second_.resize(static_cast<std::size_t>(out_columns * level.rows));
      turn(level.field.data(), level.rows, level.columns, first_.data());
      resample(level.up_x, first_, level.rows, second_.data(), false);
      first_.resize(second_.size());
      turn(second_.data(), out_columns, level.rows, first_.data());
      resample(level.up_y, first_, out_columns, out, true);
    }
  }

  std::int64_t rows_ = 0, columns_ = 0;
  double gamma_ = 0.0;
  float point_weight_ = 0.0f;
  std::vector<Narrow> narrow_;
  std::vector<Level> levels_;
  std::vector<float> tail_, first_, second_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
