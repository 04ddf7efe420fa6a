// Where the beam stands at each pixel, and when.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/quaternion.hpp"
#include "stemfast/rng.hpp"
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

// One clock for everything: t = frame·rows·period + row·period + column·dwell, period = columns·dwell +
// flyback, from the start of the first frame.
struct ScanClock {
  std::int64_t rows, columns;
  double dwell, flyback;  // [s]
  std::int64_t frame;

  double row_period() const { return static_cast<double>(columns) * dwell + flyback; }
  double row_start(std::int64_t row) const { return static_cast<double>(frame * rows + row) * row_period(); }
  // The middle of a row's pixels; the first frame's middle is when a particle stands as it was posed.
  double row_middle(std::int64_t row) const {
    return row_start(row) + 0.5 * static_cast<double>(columns - 1) * dwell;
  }
  double pose_time() const {
    return 0.5 * static_cast<double>(rows - 1) * row_period() +
           0.5 * static_cast<double>(columns - 1) * dwell;
  }
  // The same from mid-frame, without the difference of two large numbers where there is one frame.
  double row_middle_from_pose_time(std::int64_t row) const {
    return (static_cast<double>(frame * rows + row) - 0.5 * static_cast<double>(rows - 1)) * row_period();
  }
};

inline Grid grid_of(const ScanTable& scan, std::int64_t image) {
  return {scan.rows, scan.columns, scan.pixel_size[static_cast<std::size_t>(image)]};
}

inline Grid fine_grid(const ScanTable& scan, std::int64_t image) {
  const std::int64_t s = scan.oversample;
  return {scan.rows * s, scan.columns * s,
          scan.pixel_size[static_cast<std::size_t>(image)] / static_cast<double>(s)};
}

inline ScanClock clock_of(const ScanTable& scan, std::int64_t image) {
  const auto i = static_cast<std::size_t>(image);
  return {scan.rows, scan.columns, scan.dwell[i], scan.flyback[i], scan.frame[i]};
}

// Which random streams an image has: those that its frames share, and those of the frame.
inline std::uint64_t image_index(const Batch& batch, std::int64_t image) {
  return batch.key.first_index +
         static_cast<std::uint64_t>(image) / static_cast<std::uint64_t>(batch.key.frames);
}

inline std::uint64_t stream_index(const Batch& batch, std::int64_t image) {
  const auto frame = static_cast<std::uint64_t>(batch.scan.frame[static_cast<std::size_t>(image)]);
  return frame_of_image(image_index(batch, image), frame);
}

// Where the beam really is: grid + drift + the row's jitter + mains ripple + lag after the fly-back.
class BeamPath {
 public:
  // A beam that keeps to its grid.
  explicit BeamPath(const Grid& grid) : grid_(grid), clock_{grid.rows, grid.columns, 0.0, 0.0, 0} {}

  BeamPath(const Batch& batch, std::int64_t image)
      : grid_(grid_of(batch.scan, image)),
        clock_(clock_of(batch.scan, image)),
        jitter_(batch.key.seed, stream_index(batch, image), static_cast<std::uint32_t>(Stage::row_jitter)),
        stray_(batch.scan.stray[static_cast<std::size_t>(image)]) {}

  // Whether it ever leaves the grid.
  bool strays() const { return stray_.any(); }

  const Grid& grid() const { return grid_; }

  // So many rows are followed together, in vector code.
  static constexpr std::int64_t at_once = 16;

  // Where it stands at each pixel of some rows, one after the other [nm].
  void rows(Range some, double* x, double* y) const {
    const std::int64_t columns = grid_.columns;
    for (std::int64_t i = some.begin; i < some.end; x += at_once * columns, y += at_once * columns) {
      const std::int64_t end = std::min(i + at_once, some.end);
      if (strays()) {
        stray({i, end}, x, y);
      } else {
        keep_to_grid({i, end}, x, y);
      }
      i = end;
    }
  }

 private:
  void keep_to_grid(Range some, double* x, double* y) const {
    for (std::int64_t i = some.begin; i < some.end; ++i) {
      const double grid_y = grid_.y(static_cast<double>(i));
      for (std::int64_t j = 0; j < grid_.columns; ++j) {
        *x++ = grid_.x(static_cast<double>(j));
        *y++ = grid_y;
      }
    }
  }

  // At most `at_once` rows, a lane each; lanes to spare repeat the last row.
  struct Lanes {
    double start[at_once], grid_y[at_once], jitter_x[at_once], jitter_y[at_once];
    double left[at_once], sine[at_once], cosine[at_once];
  };

  Lanes lanes_at_start(Range some) const {
    Lanes lanes;
    for (std::size_t l = 0; l < at_once; ++l) {
      const std::int64_t i = std::min(some.begin + static_cast<std::int64_t>(l), some.end - 1);
      const double start = clock_.row_start(i), decay = stray_.drift_decay;
      const auto shift = normal_pair(jitter_.block(static_cast<std::uint32_t>(i)));
      const SinCos mains = sin_cos_turns(stray_.mains_rate * start + stray_.mains_phase);
      lanes.start[l] = start;
      lanes.grid_y[l] = grid_.y(static_cast<double>(i));
      lanes.jitter_x[l] = stray_.row_jitter * shift[0];
      lanes.jitter_y[l] = stray_.row_jitter * shift[1];
      lanes.left[l] = decay > 0.0 ? exponential(-start / decay) : 1.0;
      lanes.sine[l] = mains.sine;
      lanes.cosine[l] = mains.cosine;
    }
    return lanes;
  }

  // Exponentials and sines advance from pixel to pixel by one factor; over a row that costs a few ulp.
  void stray(Range some, double* x, double* y) const {
    constexpr std::int64_t block = 16;
    const Stray stray = stray_;  // a copy that stores to x and y cannot change
    Lanes lanes = lanes_at_start(some);
    const double dwell = clock_.dwell, decay = stray.drift_decay;
    const double left_step = decay > 0.0 ? exponential(-dwell / decay) : 1.0;
    const double lag_step = stray.lag != 0.0 ? exponential(-dwell / stray.lag_decay) : 1.0;
    const SinCos turn = sin_cos_turns(stray.mains_rate * dwell);
    double lag = stray.lag;
    double lane_x[block][at_once], lane_y[block][at_once];
    for (std::int64_t begin = 0; begin < grid_.columns; begin += block) {
      const std::int64_t width = std::min(block, grid_.columns - begin);
      for (std::int64_t k = 0; k < width; ++k) {
        const auto j = static_cast<double>(begin + k);
        const double since = j * dwell, grid_x = grid_.x(j);
        for (std::int64_t l = 0; l < at_once; ++l) {
          const double t = lanes.start[l] + since;
          const double drifted = decay > 0.0 ? decay * (1.0 - lanes.left[l]) : t;  // per unit velocity
          const double sine = lanes.sine[l], cosine = lanes.cosine[l];
          lane_x[k][l] = (stray.drift_x * drifted + lanes.jitter_x[l] + stray.mains_x * sine - lag) + grid_x;
          lane_y[k][l] =
              (stray.drift_y * drifted + lanes.jitter_y[l] + stray.mains_y * sine) + lanes.grid_y[l];
          lanes.left[l] *= left_step;
          lanes.sine[l] = sine * turn.cosine + cosine * turn.sine;
          lanes.cosine[l] = cosine * turn.cosine - sine * turn.sine;
        }
        lag *= lag_step;
      }
      for (std::int64_t l = 0; l < some.size(); ++l) {
        double *out_x = x + l * grid_.columns + begin, *out_y = y + l * grid_.columns + begin;
        for (std::int64_t k = 0; k < width; ++k) {
          out_x[k] = lane_x[k][l];
          out_y[k] = lane_y[k][l];
        }
      }
    }
  }

  Grid grid_;
  ScanClock clock_;
  Stream jitter_{0, 0, 0};
  Stray stray_{};
};

// How the particles turn while they are scanned: at a constant angular velocity, or through a sequence
// of poses with slerp between them and rest before and after.
class PosePath {
 public:
  PosePath(const ScanTable& scan, std::int64_t image) : clock_(clock_of(scan, image)) {
    const auto i = static_cast<std::size_t>(image);
    spin_ = {scan.spin[3 * i], scan.spin[3 * i + 1], scan.spin[3 * i + 2]};
    const auto begin = static_cast<std::size_t>(scan.path_offset[i]);
    const auto end = static_cast<std::size_t>(scan.path_offset[i + 1]);
    time_ = scan.path_time.subspan(begin, end - begin);
    turn_ = scan.path_turn.subspan(4 * begin, 4 * (end - begin));
  }

  bool moves() const { return !time_.empty() || spin_[0] != 0.0 || spin_[1] != 0.0 || spin_[2] != 0.0; }

  Quaternion at_row(std::int64_t i) const {
    if (!time_.empty()) return along_path(clock_.row_middle(i));
    return from_angular_velocity(spin_, clock_.row_middle_from_pose_time(i));
  }

  // How a constant spin turns a particle from one pixel to the next.
  bool steady() const { return time_.empty(); }
  Quaternion pixel_step() const { return from_angular_velocity(spin_, clock_.dwell); }

  Quaternion at_pixel(std::int64_t i, std::int64_t j) const {
    const double from_middle =
        (static_cast<double>(j) - 0.5 * static_cast<double>(clock_.columns - 1)) * clock_.dwell;
    if (!time_.empty()) return along_path(clock_.row_middle(i) + from_middle);
    return from_angular_velocity(spin_, clock_.row_middle_from_pose_time(i) + from_middle);
  }

 private:
  Quaternion pose(std::size_t k) const {
    return {turn_[4 * k], turn_[4 * k + 1], turn_[4 * k + 2], turn_[4 * k + 3]};
  }

  Quaternion along_path(double t) const {
    const std::size_t n = time_.size();
    if (t <= time_[0]) return pose(0);
    if (t >= time_[n - 1]) return pose(n - 1);
    std::size_t k = 0;
    while (time_[k + 1] < t) ++k;
    return slerp(pose(k), pose(k + 1), (t - time_[k]) / (time_[k + 1] - time_[k]));
  }

  ScanClock clock_;
  Vector3 spin_{};
  std::span<const double> time_, turn_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
