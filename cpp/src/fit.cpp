// Chords through convex bodies, as fits need them; compiled once per instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "stages.hpp"
#include "stemfast/fit.hpp"
#include "stemfast/lanes.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {
namespace {

// Where the beam meets the planes of a body: the nearest one it leaves by, the farthest it enters by.
struct Crossings {
  double last[block], first[block];
  std::int64_t out[block], into[block];
};

template <bool with_faces>
void cross(const double* z, const std::uint8_t* leaves, std::int64_t faces, const double* x, const double* y,
           std::int64_t n, Crossings& found) {
  std::fill_n(found.last, n, std::numeric_limits<double>::infinity());
  std::fill_n(found.first, n, -std::numeric_limits<double>::infinity());
  if (with_faces) {
    std::fill_n(found.out, n, 0);
    std::fill_n(found.into, n, 0);
  }
  for (std::int64_t f = 0; f < faces; ++f) {
    const double c0 = z[3 * f], c1 = z[3 * f + 1], c2 = z[3 * f + 2];
    double* const depth = leaves[f] != 0 ? found.last : found.first;
    std::int64_t* const face = leaves[f] != 0 ? found.out : found.into;
    const double sign = leaves[f] != 0 ? 1.0 : -1.0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double here = c0 + c1 * x[i] + c2 * y[i];
      const bool inside = sign * here < sign * depth[i];
      depth[i] = inside ? here : depth[i];
      if (with_faces) face[i] = inside ? f : face[i];
    }
  }
}

// Derivatives of the chords of one block. Neighbours mostly lie between the same two planes, so the
// difference of these is kept; `change` holds it, (3, parameters).
class ChordSlopes {
 public:
  ChordSlopes(const double* slopes, std::int64_t parameters)
      : slopes_(slopes), n_(parameters), change_(static_cast<std::size_t>(3 * parameters)) {}

  void between(std::int64_t out, std::int64_t into) {
    if (out == out_ && into == into_) return;
    out_ = out;
    into_ = into;
    const double* const a = slopes_ + out * 3 * n_;
    const double* const b = slopes_ + into * 3 * n_;
    for (std::int64_t p = 0; p < 3 * n_; ++p) change_[static_cast<std::size_t>(p)] = a[p] - b[p];
  }

  void at(double x, double y, double* row) const {
    const double* const change = change_.data();
    for (std::int64_t p = 0; p < n_; ++p) row[p] = change[p] + x * change[n_ + p] + y * change[2 * n_ + p];
  }

 private:
  const double* slopes_;
  std::int64_t n_, out_ = -1, into_ = -1;
  std::vector<double> change_;
};

bool all_finite(const double* values, std::int64_t n) {
  return std::all_of(values, values + n, [](double value) { return std::isfinite(value); });
}

}  // namespace

void chords(const HalfSpaces& body, const double* x, const double* y, std::int64_t pixels, double* t,
            double* jacobian) {
  Crossings found;
  const std::int64_t n = body.parameters;
  for (std::int64_t g = 0; g < body.groups; ++g) {
    const double* const z = body.crossings + g * body.faces * 3;
    const bool finite = all_finite(z, body.faces * 3);
    ChordSlopes slopes(jacobian == nullptr ? nullptr : body.slopes + g * body.faces * 3 * n, n);
    for (std::int64_t begin = g * pixels; begin < (g + 1) * pixels; begin += block) {
      const std::int64_t size = std::min(block, (g + 1) * pixels - begin);
      const auto meet = jacobian == nullptr ? cross<false> : cross<true>;
      meet(z, body.leaves + g * body.faces, body.faces, x + begin, y + begin, size, found);
      for (std::int64_t i = 0; i < size; ++i) {
        const double chord = found.last[i] - found.first[i];
        t[begin + i] = chord > 0.0 ? chord : 0.0;
      }
      if (!finite) std::fill_n(t + begin, size, std::numeric_limits<double>::quiet_NaN());
      if (jacobian == nullptr) continue;
      for (std::int64_t i = 0; i < size; ++i) {
        double* const row = jacobian + (begin + i) * n;
        if (!(t[begin + i] > 0.0)) {
          std::fill_n(row, n, 0.0);
          continue;
        }
        slopes.between(found.out[i], found.into[i]);
        slopes.at(x[begin + i], y[begin + i], row);
      }
    }
  }
}

// The sum over the pixels of (scale · exp(−h) − seen)², in lanes so that it is the same on every machine.
void misfits(const HalfSpaces& bodies, const CoarseImage& image, double* out) {
  Crossings found;
  double off[block];
  const Scattering scattering = image.scattering;
  const double inverse = 1.0 / image.path;
  for (std::int64_t g = 0; g < bodies.groups; ++g) {
    double sum[lanes] = {};
    for (std::int64_t begin = 0; begin < image.pixels; begin += block) {
      const std::int64_t size = std::min(block, image.pixels - begin);
      cross<false>(bodies.crossings + g * bodies.faces * 3, bodies.leaves + g * bodies.faces, bodies.faces,
                   image.x + begin, image.y + begin, size, found);
      for (std::int64_t i = 0; i < size; ++i) {
        const double chord = found.last[i] - found.first[i];
        const double depth = image.film[begin + i] + inverse * (chord > 0.0 ? chord : 0.0);
        const double left = exponential(-scattering_exponent(scattering, depth));
        const double apart = image.scale[begin + i] * left - image.seen[begin + i];
        off[i] = apart * apart;
      }
      std::fill(off + size, off + block, 0.0);
      for (std::int64_t i = 0; i < block; i += lanes) {
        for (std::int64_t j = 0; j < lanes; ++j) sum[j] += off[i + j];
      }
    }
    out[g] = ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
