// A plane through some pixels of an image, without those that stand out of it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/median.hpp"

namespace stemfast {

// Height in the middle, rise over the longer side of the image along rows and along columns, and the
// deviation of the pixels from it.
struct ClippedPlane {
  double height, along_rows, along_columns, sigma;
};

struct ClippedPlaneRule {
  std::int64_t enough;  // pixels that are used, about; evenly spread
  int rounds;
  std::int64_t fewest;  // pixels to go on with
};

namespace clipped_plane_detail {

struct Sample {
  double row, column, value;
  bool use;
};

// Least squares of height and slopes over the samples that are used. A slope of which nothing is seen is 0.
inline std::array<double, 3> least_squares(const std::vector<Sample>& samples) {
  std::array<std::array<double, 4>, 3> m{};
  for (const Sample& s : samples) {
    if (!s.use) continue;
    const std::array<double, 4> one{1.0, s.row, s.column, s.value};
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 4; ++j) m[i][j] += one[i] * one[j];
    }
  }
  // A little of the first number on the diagonal: the least slopes where the pixels do not tell.
  const double little = 1e-13 * m[0][0];
  for (std::size_t i = 0; i < 3; ++i) m[i][i] += little;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = i + 1; k < 3; ++k) {
      const double share = m[k][i] / m[i][i];
      for (std::size_t j = i; j < 4; ++j) m[k][j] -= share * m[i][j];
    }
  }
  std::array<double, 3> x{};
  for (std::size_t i = 3; i-- > 0;) {
    double rest = m[i][3];
    for (std::size_t j = i + 1; j < 3; ++j) rest -= m[i][j] * x[j];
    x[i] = rest / m[i][i];
  }
  return x;
}

}  // namespace clipped_plane_detail

// Through the pixels of a mask, at least one. Deviations are 1.4826 medians of absolute ones; in each round
// pixels within three of them are kept.
inline ClippedPlane clipped_plane(const double* image, const bool* mask, std::int64_t rows,
                                  std::int64_t columns, const ClippedPlaneRule& rule) {
  using namespace clipped_plane_detail;
  const std::int64_t count = std::count(mask, mask + rows * columns, true);
  const std::int64_t step = std::max<std::int64_t>(1, count / rule.enough);
  const auto longer = static_cast<double>(std::max(rows, columns));
  std::vector<Sample> samples;
  std::int64_t seen = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t i = r * columns + c;
      if (!mask[i] || seen++ % step != 0) continue;
      samples.push_back(
          {static_cast<double>(r) / longer - 0.5, static_cast<double>(c) / longer - 0.5, image[i], true});
    }
  }
  ClippedPlane plane{};
  for (int round = 0; round < rule.rounds; ++round) {
    const auto [height, along_rows, along_columns] = least_squares(samples);
    const auto off = [=](const Sample& s) {
      return s.value - (height + s.row * along_rows + s.column * along_columns);
    };
    std::vector<double> left;
    for (const Sample& s : samples) {
      if (s.use) left.push_back(off(s));
    }
    const double middle = median(left);
    for (double& one : left) one = std::abs(one - middle);
    plane = {height, along_rows, along_columns, 1.4826 * median(left)};
    const double most = std::max(3.0 * plane.sigma, 1e-12);
    std::int64_t kept = 0;
    bool same = true;
    for (Sample& s : samples) {
      const bool use = std::abs(off(s)) <= most;
      same = same && use == s.use;
      s.use = use;
      kept += use;
    }
    if (kept < rule.fewest || same) break;
  }
  return plane;
}

}  // namespace stemfast
