// Where the beam stands at each pixel, and when.
#pragma once

#include <cmath>
#include <cstdint>

#include "stemfast/isa.hpp"
#include "stemfast/scene.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// A grid of sample points, spaced evenly and centred on the origin: x right, y down [nm].
struct Grid {
  std::int64_t rows, columns;
  double spacing;

  double x(double column) const { return (column - 0.5 * static_cast<double>(columns - 1)) * spacing; }
  double y(double row) const { return (row - 0.5 * static_cast<double>(rows - 1)) * spacing; }
  double column(double x) const { return x / spacing + 0.5 * static_cast<double>(columns - 1); }
  double row(double y) const { return y / spacing + 0.5 * static_cast<double>(rows - 1); }

  Range rows_within(double y_low, double y_high) const { return within(row(y_low), row(y_high), rows); }
  Range columns_within(double x_low, double x_high) const {
    return within(column(x_low), column(x_high), columns);
  }

 private:
  // One sample of margin on each side, so that rounding here never loses a sample there.
  static Range within(double low, double high, std::int64_t n) {
    const auto limit = static_cast<double>(n);
    if (!(low < limit) || !(high > -1.0)) return {0, 0};
    const auto begin = low < 1.0 ? 0 : static_cast<std::int64_t>(low) - 1;
    const auto end = high + 2.0 > limit ? n : static_cast<std::int64_t>(high) + 2;
    return {begin, end};
  }
};

// t = row·(columns·dwell + flyback) + column·dwell, of which a whole row takes one pose: that of its
// middle. Times count from mid-frame, where the particle stands as it was posed.
struct ScanClock {
  std::int64_t rows, columns;
  double dwell, flyback;  // [s]

  double row_period() const { return static_cast<double>(columns) * dwell + flyback; }
  double row_time_from_mid_frame(std::int64_t row) const {
    return (static_cast<double>(row) - 0.5 * static_cast<double>(rows - 1)) * row_period();
  }
};

inline Grid fine_grid(const ScanTable& scan, std::int64_t image) {
  const std::int64_t s = scan.oversample;
  return {scan.rows * s, scan.columns * s,
          scan.pixel_size[static_cast<std::size_t>(image)] / static_cast<double>(s)};
}

inline ScanClock clock_of(const ScanTable& scan, std::int64_t image) {
  const auto i = static_cast<std::size_t>(image);
  return {scan.rows, scan.columns, scan.dwell[i], scan.flyback[i]};
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
