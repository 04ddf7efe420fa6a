// What the optics make of a thickness in fits: expected electrons, their likelihood, their jacobian;
// compiled once per instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "stages.hpp"
#include "stemfast/fit.hpp"
#include "stemfast/lanes.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {
namespace {

// Sums of some lanes, of `taps` lines that are `stride` apart. Several side by side: one would wait for
// itself.
template <int together>
STEMFAST_INLINE void weighted_lanes(const double* weight, std::int64_t taps, const double* from,
                                    std::int64_t stride, double* out) {
  Lanes sum[together] = {};
  for (std::int64_t k = 0; k < taps; ++k, from += stride) {
    for (int j = 0; j < together; ++j) add_product(weight[k], from + j * lanes, sum[j]);
  }
  std::memcpy(out, sum, sizeof sum);
}

// The same of a whole line, of any whole number of lanes.
void weighted_sum(const double* weight, std::int64_t taps, const double* from, std::int64_t stride,
                  std::int64_t length, double* out) {
  std::int64_t j = 0;
  for (; j + 4 * lanes <= length; j += 4 * lanes) weighted_lanes<4>(weight, taps, from + j, stride, out + j);
  for (; j + 2 * lanes <= length; j += 2 * lanes) weighted_lanes<2>(weight, taps, from + j, stride, out + j);
  for (; j < length; j += lanes) weighted_lanes<1>(weight, taps, from + j, stride, out + j);
}

std::int64_t whole_lanes(std::int64_t n) { return (n + lanes - 1) / lanes * lanes; }

// (columns, stride) of an image (rows, columns) whose own rows are `width` apart.
void transpose(const double* from, std::int64_t rows, std::int64_t columns, std::int64_t width, double* to,
               std::int64_t stride) {
  for (std::int64_t first = 0; first < rows; first += lanes) {
    const std::int64_t stop = std::min(first + lanes, rows);
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t r = first; r < stop; ++r) to[c * stride + r] = from[r * width + c];
    }
  }
}

// Every line, (n, stride), as a weighted sum of lines.
void blur_lines(const Bands& bands, const double* from, std::int64_t stride, double* to) {
  for (std::int64_t i = 0; i < bands.n; ++i) {
    weighted_sum(bands.weight + i * bands.taps, bands.taps, from + bands.first[i] * stride, stride, stride,
                 to + i * stride);
  }
}

// The part of an image that a range of it reaches by a blur.
Range reached(const Bands& bands, const Range& filled) {
  Range part{0, filled.empty() ? 0 : bands.n};
  while (!part.empty() && bands.first[part.begin] + bands.taps <= filled.begin) ++part.begin;
  while (!part.empty() && bands.first[part.end - 1] >= filled.end) --part.end;
  return part;
}

// Slopes times the derivative of the electrons, blurred along x and y. Beside the particle they are 0, and
// are left out. The parameters of a pixel are filled up to a whole number of lanes.
class BlurredSlopes {
 public:
  BlurredSlopes(const WeightedJacobian& w, std::vector<double>& along_x)
      : w_(w),
        padded_(whole_lanes(w.parameters)),
        rows_{w.rows, 0},
        columns_{w.columns, 0},
        along_x_(along_x) {
    for (std::int64_t r = 0; r < w.rows; ++r) {
      const Range filled = filled_columns(r);
      if (filled.empty()) continue;
      rows_ = {std::min(rows_.begin, r), r + 1};
      columns_ = {std::min(columns_.begin, filled.begin), std::max(columns_.end, filled.end)};
    }
    reached_ = reached(w.along_x, columns_);
    along_x_.resize(static_cast<std::size_t>((rows_.empty() ? 0 : rows_.end - rows_.begin) * length()));
    row_.resize(static_cast<std::size_t>(w.columns * padded_));
    line_.resize(row_.size());
    for (std::int64_t r = rows_.begin; r < rows_.end; ++r) blur_along(r);
  }

  std::int64_t padded() const { return padded_; }

  // A row of the result, (columns, padded).
  const double* row(std::int64_t r) {
    const Bands& bands = w_.along_y;
    const Range taps = intersect({bands.first[r], bands.first[r] + bands.taps}, rows_);
    double* const out = line_.data() + reached_.begin * padded_;
    if (taps.empty()) {
      std::fill_n(out, length(), 0.0);
    } else {
      weighted_sum(bands.weight + r * bands.taps + taps.begin - bands.first[r], taps.end - taps.begin,
                   along_x_.data() + (taps.begin - rows_.begin) * length(), length(), length(), out);
    }
    return line_.data();
  }

 private:
  std::int64_t length() const { return reached_.empty() ? 0 : (reached_.end - reached_.begin) * padded_; }

  Range filled_columns(std::int64_t r) const {
    const std::int64_t n = w_.parameters;
    const double* const slopes = w_.slopes + r * w_.columns * n;
    const auto empty = [&](std::int64_t c) {
      return std::all_of(slopes + c * n, slopes + (c + 1) * n, [](double slope) { return slope == 0.0; });
    };
    Range filled{0, w_.columns};
    while (!filled.empty() && empty(filled.begin)) ++filled.begin;
    while (!filled.empty() && empty(filled.end - 1)) --filled.end;
    return filled;
  }

  void blur_along(std::int64_t r) {
    const std::int64_t n = w_.parameters;
    for (std::int64_t c = columns_.begin; c < columns_.end; ++c) {
      const std::int64_t pixel = r * w_.columns + c;
      const double factor = w_.by_depth[pixel] / w_.path;
      for (std::int64_t p = 0; p < n; ++p) row_at(c)[p] = factor * w_.slopes[pixel * n + p];
    }
    const Bands& bands = w_.along_x;
    double* out = along_x_.data() + (r - rows_.begin) * length();
    for (std::int64_t c = reached_.begin; c < reached_.end; ++c, out += padded_) {
      weighted_sum(bands.weight + c * bands.taps, bands.taps, row_at(bands.first[c]), padded_, padded_, out);
    }
  }

  double* row_at(std::int64_t c) { return row_.data() + c * padded_; }

  const WeightedJacobian& w_;
  std::int64_t padded_;
  Range rows_, columns_, reached_;  // on the particle, and the columns that the blur carries it to
  std::vector<double>& along_x_;
  std::vector<double> row_, line_;
};

// How far readings are off where some electrons are expected, on a line between the two nearest of the
// table, and the slope of that line. Neighbouring pixels are alike: the search starts where the last ended.
class Readings {
 public:
  explicit Readings(const CountedImage& image) : came_(image.came), off_(image.off), n_(image.n_readings) {}

  struct Off {
    double value, slope;
  };

  Off at(double electrons) {
    if (n_ == 0) return {0.0, 0.0};
    while (k_ > 0 && electrons < came_[k_]) --k_;
    while (k_ + 1 < n_ && electrons >= came_[k_ + 1]) ++k_;
    if (k_ + 1 == n_) return {off_[k_], 0.0};
    const double slope = (off_[k_ + 1] - off_[k_]) / (came_[k_ + 1] - came_[k_]);
    return {electrons < came_[0] ? off_[0] : off_[k_] + slope * (electrons - came_[k_]), slope};
  }

 private:
  const double* came_;
  const double* off_;
  std::int64_t n_, k_ = 0;
};

// The film of some pixels with its roughness [nm]. Four at a time: one sum would wait for itself.
void add_waves(const Optics& optics, std::int64_t begin, std::int64_t size, double* film) {
  constexpr std::int64_t together = 4;
  std::copy_n(optics.film + begin, size, film);
  const std::int64_t n = optics.n_waves;
  const double* wave = optics.waves + begin * n;
  std::int64_t i = 0;
  for (; i + together <= size; i += together, wave += together * n) {
    double sum[together] = {};
    for (std::int64_t k = 0; k < n; ++k) {
      for (std::int64_t j = 0; j < together; ++j) sum[j] += wave[j * n + k] * optics.amplitude[k];
    }
    for (std::int64_t j = 0; j < together; ++j) film[i + j] += sum[j];
  }
  for (; i < size; ++i, wave += n) {
    for (std::int64_t k = 0; k < n; ++k) film[i] += wave[k] * optics.amplitude[k];
  }
}

double mean_count(const CountedImage& image, double electrons, double off) {
  const double mean = (electrons + off + image.noise / image.excess) / image.excess;
  return mean < image.least ? image.least : mean;
}

}  // namespace

// Along x on the image turned over, so that its lines are side by side; lines are filled up to whole lanes.
void blur_bands(const double* image, const Bands& rows, const Bands& columns, double* out) {
  const std::int64_t height = whole_lanes(rows.n), width = whole_lanes(columns.n);
  const auto size = static_cast<std::size_t>(std::max(rows.n * width, columns.n * height));
  std::vector<double> one(size), other(size);
  for (std::int64_t r = 0; r < rows.n; ++r) std::copy_n(image + r * columns.n, columns.n, &one[r * width]);
  blur_lines(rows, one.data(), width, other.data());
  transpose(other.data(), rows.n, columns.n, width, one.data(), height);
  blur_lines(columns, one.data(), height, other.data());
  transpose(other.data(), columns.n, rows.n, height, out, columns.n);
}

void weighted_jacobian(const WeightedJacobian& w, double* out) {
  // Kept from call to call: memory that was given back would come again page by page.
  static thread_local std::vector<double> along_x;
  BlurredSlopes blurred(w, along_x);
  const std::int64_t n = w.parameters, total = n + w.n_waves + 1;
  for (std::int64_t r = 0; r < w.rows; ++r) {
    const double* slopes = blurred.row(r);
    const std::int64_t first = r * w.columns;
    for (std::int64_t pixel = first; pixel < first + w.columns; ++pixel, slopes += blurred.padded()) {
      double* const to = out + pixel * total;
      const double weight = w.weight[pixel], by_film = weight * w.by_depth[pixel] / w.film_path;
      const double* const waves = w.waves + pixel * w.n_waves;
      for (std::int64_t p = 0; p < n; ++p) to[p] = weight * slopes[p];
      for (std::int64_t p = 0; p < w.n_waves; ++p) to[n + p] = by_film * waves[p];
      to[total - 1] = weight * w.electrons[pixel];
    }
  }
}

void expected_electrons(const Optics& optics, const double* t, double* electrons, double* by_depth) {
  const std::int64_t pixels = optics.along_y.n * optics.along_x.n;
  const Scattering scattering = optics.scattering;
  const std::unique_ptr<double[]> scattered(new double[static_cast<std::size_t>(pixels)]);
  double film[block], left[block];
  for (std::int64_t begin = 0; begin < pixels; begin += block) {
    const std::int64_t size = std::min(block, pixels - begin);
    add_waves(optics, begin, size, film);
    for (std::int64_t i = 0; i < size; ++i) film[i] = t[begin + i] / optics.path + film[i] / optics.film_path;
    for (std::int64_t i = 0; i < size; ++i) {
      left[i] = optics.dose * exponential(-scattering_exponent(scattering, film[i]));
    }
    for (std::int64_t i = 0; i < size; ++i) scattered[begin + i] = optics.dose - left[i];
    if (by_depth == nullptr) continue;
    for (std::int64_t i = 0; i < size; ++i) {
      by_depth[begin + i] = left[i] * scattering_slope(scattering, film[i]);
    }
  }
  blur_bands(scattered.get(), optics.along_y, optics.along_x, electrons);
}

double log_likelihood(const CountedImage& image, const double* electrons) {
  Readings readings(image);
  double mean[block], logs[block], sum[lanes] = {};
  for (std::int64_t begin = 0; begin < image.pixels; begin += block) {
    const std::int64_t size = std::min(block, image.pixels - begin);
    for (std::int64_t i = 0; i < size; ++i) {
      const double here = electrons[begin + i];
      mean[i] = mean_count(image, here, readings.at(here).value);
    }
    for (std::int64_t i = 0; i < size; ++i) {
      logs[i] = image.weight[begin + i] * (image.counts[begin + i] * logarithm(mean[i]) - mean[i]);
    }
    std::fill(logs + size, logs + block, 0.0);
    for (std::int64_t i = 0; i < block; i += lanes) {
      for (std::int64_t j = 0; j < lanes; ++j) sum[j] += logs[i + j];
    }
  }
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

void error_bars(const CountedImage& image, const double* electrons, double* residual, double* scale) {
  Readings readings(image);
  for (std::int64_t i = 0; i < image.pixels; ++i) {
    const Readings::Off off = readings.at(electrons[i]);
    const double mean = mean_count(image, electrons[i], off.value);
    const double precision = std::sqrt(image.weight[i] / mean);
    residual[i] = precision * (image.counts[i] - mean);
    scale[i] = precision * (1.0 + off.slope) / image.excess;
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
