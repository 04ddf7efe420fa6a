// Chords through convex bodies, and the jacobians of fits; compiled once per instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "stages.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {
namespace {

constexpr std::int64_t block = 128;  // pixels whose chords fit into the first cache
constexpr std::int64_t lanes = 8;    // parameters whose sums stay in registers

// Where the beam meets the planes of a body: the nearest one it leaves by, the farthest it enters by.
struct Crossings {
  double last[block], first[block];
  std::int64_t out[block], into[block];
};

void cross(const double* z, const std::uint8_t* leaves, std::int64_t faces, const double* x, const double* y,
           std::int64_t n, Crossings& found) {
  std::fill_n(found.last, n, std::numeric_limits<double>::infinity());
  std::fill_n(found.first, n, -std::numeric_limits<double>::infinity());
  std::fill_n(found.out, n, 0);
  std::fill_n(found.into, n, 0);
  for (std::int64_t f = 0; f < faces; ++f) {
    const double c0 = z[3 * f], c1 = z[3 * f + 1], c2 = z[3 * f + 2];
    double* const depth = leaves[f] != 0 ? found.last : found.first;
    std::int64_t* const face = leaves[f] != 0 ? found.out : found.into;
    const double sign = leaves[f] != 0 ? 1.0 : -1.0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double here = c0 + c1 * x[i] + c2 * y[i];
      const bool inside = sign * here < sign * depth[i];
      depth[i] = inside ? here : depth[i];
      face[i] = inside ? f : face[i];
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

void transpose(const double* from, std::int64_t rows, std::int64_t columns, double* to) {
  for (std::int64_t first = 0; first < rows; first += lanes) {
    const std::int64_t stop = std::min(first + lanes, rows);
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t r = first; r < stop; ++r) to[c * rows + r] = from[r * columns + c];
    }
  }
}

// Every line of `to` as a weighted sum of lines of `from`, each `length` long.
void blur_lines(const Bands& bands, const double* from, std::int64_t length, double* to) {
  for (std::int64_t i = 0; i < bands.n; ++i) {
    double* const line = to + i * length;
    const double* const weight = bands.weight + i * bands.taps;
    const double* const source = from + bands.first[i] * length;
    for (std::int64_t j = 0; j < length; ++j) line[j] = weight[0] * source[j];
    for (std::int64_t k = 1; k < bands.taps; ++k) {
      const double* const other = source + k * length;
      for (std::int64_t j = 0; j < length; ++j) line[j] += weight[k] * other[j];
    }
  }
}

// Weighted sums over the pixels of a row: `row` and `out` are (columns, padded), of a whole number of lanes.
void blur_along(const Bands& bands, const double* row, std::int64_t padded, double* out) {
  for (std::int64_t c = 0; c < bands.n; ++c) {
    const double* const weight = bands.weight + c * bands.taps;
    const double* const source = row + bands.first[c] * padded;
    for (std::int64_t p = 0; p < padded; p += lanes) {
      double sum[lanes] = {};
      for (std::int64_t k = 0; k < bands.taps; ++k) {
        const double* const other = source + k * padded + p;
        for (std::int64_t j = 0; j < lanes; ++j) sum[j] += weight[k] * other[j];
      }
      std::copy_n(sum, lanes, out + c * padded + p);
    }
  }
}

// A row of slopes times its factors, (columns, padded). False where all of it is 0: beside the particle.
bool scaled_row(const WeightedJacobian& w, std::int64_t r, std::int64_t padded, double* row) {
  const double* const slopes = w.slopes + r * w.columns * w.parameters;
  const double* const factor = w.by_thickness + r * w.columns;
  bool any = false;
  for (std::int64_t i = 0; !any && i < w.columns * w.parameters; ++i) any = slopes[i] != 0.0;
  if (!any) return false;
  for (std::int64_t c = 0; c < w.columns; ++c) {
    for (std::int64_t p = 0; p < w.parameters; ++p) {
      row[c * padded + p] = factor[c] * slopes[c * w.parameters + p];
    }
  }
  return true;
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
      cross(z, body.leaves + g * body.faces, body.faces, x + begin, y + begin, size, found);
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

void blur_bands(const double* image, const Bands& rows, const Bands& columns, double* out) {
  std::vector<double> down(static_cast<std::size_t>(rows.n * columns.n)), turned(down.size());
  blur_lines(rows, image, columns.n, down.data());
  transpose(down.data(), rows.n, columns.n, turned.data());
  blur_lines(columns, turned.data(), rows.n, down.data());
  transpose(down.data(), columns.n, rows.n, out);
}

// Row by row along x, and then along y: the rows that a row of the result needs are all there by then.
void weighted_jacobian(const WeightedJacobian& w, double* out) {
  const std::int64_t n = w.parameters, padded = (n + lanes - 1) / lanes * lanes;
  const std::int64_t total = n + w.n_waves + 1, length = w.columns * padded;
  std::vector<double> row(static_cast<std::size_t>(length)), sum(row.size());
  std::vector<double> along(static_cast<std::size_t>(w.rows * length));
  std::vector<std::uint8_t> filled(static_cast<std::size_t>(w.rows));
  for (std::int64_t r = 0; n > 0 && r < w.rows; ++r) {
    const bool any = scaled_row(w, r, padded, row.data());
    filled[static_cast<std::size_t>(r)] = any ? 1 : 0;
    if (any) blur_along(w.along_x, row.data(), padded, along.data() + r * length);
  }
  for (std::int64_t r = 0; r < w.rows; ++r) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::int64_t k = 0; n > 0 && k < w.along_y.taps; ++k) {
      const std::int64_t from = w.along_y.first[r] + k;
      const double weight = w.along_y.weight[r * w.along_y.taps + k];
      if (filled[static_cast<std::size_t>(from)] == 0 || weight == 0.0) continue;
      const double* const line = along.data() + from * length;
      for (std::int64_t j = 0; j < length; ++j) sum[static_cast<std::size_t>(j)] += weight * line[j];
    }
    for (std::int64_t c = 0; c < w.columns; ++c) {
      const std::int64_t pixel = r * w.columns + c;
      double* const to = out + pixel * total;
      const double weight = w.weight[pixel], by_film = weight * w.by_film[pixel];
      const double* const waves = w.waves + pixel * w.n_waves;
      for (std::int64_t p = 0; p < n; ++p) to[p] = weight * sum[static_cast<std::size_t>(c * padded + p)];
      for (std::int64_t p = 0; p < w.n_waves; ++p) to[n + p] = by_film * waves[p];
      to[total - 1] = weight * w.electrons[pixel];
    }
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
