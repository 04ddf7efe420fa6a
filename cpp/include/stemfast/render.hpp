// From posed solids to rows of thickness, and from there to images.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "stemfast/body.hpp"
#include "stemfast/chord.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/kernels.hpp"
#include "stemfast/mesh.hpp"
#include "stemfast/moving.hpp"
#include "stemfast/scan.hpp"
#include "stemfast/voxel.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Adds the weighted thickness of an image's bodies to rows of the scan. One per thread: it owns the
// scratch space, so that no image allocates.
class ThicknessRows {
 public:
  ThicknessRows(const Batch& batch, Engine engine) : batch_(batch), engine_(engine) {
    const std::int64_t columns = batch.scan.columns * batch.scan.oversample;
    convex_.reserve(batch.shapes.max_planes, columns);
    mesh_.reserve(batch.shapes.max_vertices, columns);
    voxels_.reserve(batch.shapes.max_vertices, batch.shapes.max_planes, columns);
    moving_.reserve(batch.shapes.max_vertices, batch.scan.columns);
    for (auto* v : {&sample_x_, &sample_y_}) v->resize(static_cast<std::size_t>(batch.scan.columns));
    for (auto& v : turned_) v.resize(static_cast<std::size_t>(batch.scan.columns));
    fine_row_.resize(batch.scan.oversample > 1 ? static_cast<std::size_t>(columns) : 0);
  }

  // Only what lies in the slab counts from here on.
  void limit(const Slab& slab) {
    convex_.limit(slab);
    ellipsoid_.limit(slab);
    mesh_.limit(slab);
    voxels_.limit(slab);
    moving_.limit(slab);
  }

  // depth has the batch's columns; its first row is row `rows.begin` of image `image`.
  void add(std::int64_t image, Range rows, float* depth) {
    const auto& bodies = batch_.bodies;
    const auto first = static_cast<std::size_t>(bodies.image_offset[static_cast<std::size_t>(image)]);
    const auto last = static_cast<std::size_t>(bodies.image_offset[static_cast<std::size_t>(image) + 1]);
    const BeamPath beam(batch_, image);
    const PosePath turn(batch_.scan, image);
    if (beam.strays() || (batch_.scan.pose_per_pixel && turn.moves())) {
      constexpr std::int64_t at_once = BeamPath::at_once;
      for (auto* v : {&beam_x_, &beam_y_}) v->resize(static_cast<std::size_t>(at_once * batch_.scan.columns));
      for (std::int64_t i = rows.begin; i < rows.end; i += at_once) {
        const Range some{i, std::min(i + at_once, rows.end)};
        follow(beam, some);
        for (std::size_t b = first; b < last; ++b) {
          add_moving(turn, image, some, b, depth + (i - rows.begin) * batch_.scan.columns);
        }
      }
      return;
    }
    for (std::size_t b = first; b < last; ++b) add_body(turn, image, b, rows, depth);
  }

 private:
  void add_body(const PosePath& turn, std::int64_t image, std::size_t b, Range rows, float* depth) {
    const Solid solid = solid_of(batch_.shapes, batch_.bodies.shape[b]);
    if (engine_ == Engine::voxel) return add_solid(voxels_, solid, turn, image, b, rows, depth);
    if (solid.kind == ShapeKind::convex) return add_solid(convex_, solid, turn, image, b, rows, depth);
    if (solid.kind == ShapeKind::ellipsoid) return add_solid(ellipsoid_, solid, turn, image, b, rows, depth);
    return add_solid(mesh_, solid, turn, image, b, rows, depth);
  }

  template <class Rows>
  void add_solid(Rows& solid_rows, const Solid& solid, const PosePath& turn, std::int64_t image,
                 std::size_t b, Range rows, float* depth) {
    const Pose mid_frame = pose_of(b);
    const Grid grid = fine_grid(batch_.scan, image);
    const auto weight = static_cast<float>(batch_.bodies.weight[b]);
    const Vector3& position = mid_frame.position;
    if (!turn.moves()) {
      solid_rows.place(solid, mid_frame, grid);
      const Range reached = intersect(rows, scan_rows(solid_rows.rows()));
      for (std::int64_t i = reached.begin; i < reached.end; ++i) {
        add_row(solid_rows, i, weight, depth + (i - rows.begin) * batch_.scan.columns);
      }
      return;
    }
    const double radius = bounding_radius(solid);
    const Range reached =
        intersect(rows, scan_rows(grid.rows_within(position[1] - radius, position[1] + radius)));
    for (std::int64_t i = reached.begin; i < reached.end; ++i) {
      solid_rows.place(solid, {matrix(normalised(turn.at_row(i) * orientation_of(b))), position}, grid);
      add_row(solid_rows, i, weight, depth + (i - rows.begin) * batch_.scan.columns);
    }
  }

  Quaternion orientation_of(std::size_t b) const {
    const double* q = &batch_.bodies.orientation[4 * b];
    return {q[0], q[1], q[2], q[3]};
  }

  Pose pose_of(std::size_t b) const {
    const double* p = &batch_.bodies.position[3 * b];
    return {matrix(orientation_of(b)), {p[0], p[1], p[2]}};
  }

  // What a moving beam can meet of a body: its box where it stands still, a ball about it where it turns;
  // and a pixel around that, which samples within a pixel and rounding never use up.
  Box within_reach(const PosePath& turn, const Solid& solid, const Pose& pose, double pixel) const {
    Box box = turn.moves() ? Box{pose.position, pose.position} : bounding_box(solid, pose);
    const double margin = turn.moves() ? bounding_radius(solid) + pixel : pixel;
    for (std::size_t k = 0; k < 3; ++k) {
      box.low[k] -= margin;
      box.high[k] += margin;
    }
    return box;
  }

  // Some rows of beams, and how far in y each of them reaches.
  void follow(const BeamPath& beam, Range rows) {
    beam.rows(rows, beam_x_.data(), beam_y_.data());
    const double* y = beam_y_.data();
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows.size()); ++r, y += batch_.scan.columns) {
      double low = y[0], high = y[0];
      for (std::int64_t j = 1; j < batch_.scan.columns; ++j) {
        low = y[j] < low ? y[j] : low;
        high = y[j] > high ? y[j] : high;
      }
      low_y_[r] = low;
      high_y_[r] = high;
    }
  }

  // The beams of one row that can meet it.
  Range beams_near(const Box& box, const BeamRow& beams) const {
    const auto near = [&](std::int64_t j) {
      const double x = beams.x[j], y = beams.y[j];
      return box.low[0] <= x && x <= box.high[0] && box.low[1] <= y && y <= box.high[1];
    };
    Range reach{0, batch_.scan.columns};
    while (!reach.empty() && !near(reach.begin)) ++reach.begin;
    while (!reach.empty() && !near(reach.end - 1)) --reach.end;
    return reach;
  }

  void add_moving(const PosePath& turn, std::int64_t image, Range rows, std::size_t b, float* depth) {
    const Solid solid = solid_of(batch_.shapes, batch_.bodies.shape[b]);
    const Pose pose = pose_of(b);
    const double pixel = batch_.scan.pixel_size[static_cast<std::size_t>(image)];
    const Box box = within_reach(turn, solid, pose, pixel);
    const std::int64_t columns = batch_.scan.columns;
    for (std::int64_t i = rows.begin; i < rows.end; ++i, depth += columns) {
      const auto r = static_cast<std::size_t>(i - rows.begin);
      if (high_y_[r] < box.low[1] || box.high[1] < low_y_[r]) continue;
      const std::size_t start = r * static_cast<std::size_t>(columns);
      const BeamRow beams{beam_x_.data() + start, beam_y_.data() + start};
      const Range reach = beams_near(box, beams);
      if (reach.empty()) continue;
      const auto weight = static_cast<float>(batch_.bodies.weight[b]);
      if (turn.moves() && batch_.scan.pose_per_pixel) {
        turn_beams(turn, i, b, reach);
        RotationOfEach rotation;
        for (std::size_t e = 0; e < 9; ++e) rotation.element[e] = turned_[e].data();
        add_samples(solid, pose.position, rotation, beams, reach, pixel, weight, depth);
      } else {
        const Quaternion given = orientation_of(b);
        const OneRotation rotation{turn.moves() ? matrix(normalised(turn.at_row(i) * given)) : pose.rotation};
        add_samples(solid, pose.position, rotation, beams, reach, pixel, weight, depth);
      }
    }
  }

  // The samples within each pixel, which share its time.
  template <class Rotation>
  void add_samples(const Solid& solid, const Vector3& position, const Rotation& rotation,
                   const BeamRow& beams, Range reach, double pixel, float weight, float* row) {
    const std::int64_t s = batch_.scan.oversample;
    const float share = weight / static_cast<float>(s * s);
    const BeamRow samples{sample_x_.data(), sample_y_.data()};
    for (std::int64_t sub = 0; sub < s * s; ++sub) {
      const auto offset = [&](std::int64_t k) {
        return ((static_cast<double>(k) + 0.5) / static_cast<double>(s) - 0.5) * pixel;
      };
      const double dx = offset(sub % s), dy = offset(sub / s);
      for (std::int64_t j = reach.begin; j < reach.end; ++j) {
        const auto k = static_cast<std::size_t>(j);
        sample_x_[k] = beams.x[j] + dx;
        sample_y_[k] = beams.y[j] + dy;
      }
      moving_.accumulate(solid, position, rotation, samples, reach, share, row);
    }
  }

  // The body's rotation at the time of each beam.
  void turn_beams(const PosePath& turn, std::int64_t i, std::size_t b, Range reach) {
    const Quaternion given = orientation_of(b);
    // A constant spin advances by one product a pixel, which over a row costs a few ulp.
    Quaternion q = normalised(turn.at_pixel(i, reach.begin) * given);
    const Quaternion step = turn.steady() ? turn.pixel_step() : Quaternion{};
    for (std::int64_t j = reach.begin; j < reach.end; ++j) {
      if (!turn.steady()) q = normalised(turn.at_pixel(i, j) * given);
      const Matrix3 m = matrix(q);
      for (std::size_t k = 0; k < 9; ++k) turned_[k][static_cast<std::size_t>(j)] = m[k / 3][k % 3];
      q = step * q;
    }
  }

  // The scan rows that hold a range of fine rows.
  Range scan_rows(Range fine) const {
    const std::int64_t s = batch_.scan.oversample;
    return {fine.begin / s, (fine.end + s - 1) / s};
  }

  template <class Rows>
  void add_row(Rows& solid_rows, std::int64_t i, float weight, float* row) {
    const std::int64_t s = batch_.scan.oversample;
    if (s == 1) {
      if (solid_rows.rows().contains(i)) solid_rows.accumulate(i, weight, row);
      return;
    }
    const Range columns = solid_rows.columns();
    if (columns.empty()) return;
    const Range pixels{columns.begin / s, (columns.end + s - 1) / s};
    std::fill(fine_row_.begin() + pixels.begin * s, fine_row_.begin() + pixels.end * s, 0.0f);
    const Range lines = intersect(solid_rows.rows(), {i * s, (i + 1) * s});
    for (std::int64_t line = lines.begin; line < lines.end; ++line) {
      solid_rows.accumulate(line, weight, fine_row_.data());
    }
    const float share = 1.0f / static_cast<float>(s * s);
    for (std::int64_t j = pixels.begin; j < pixels.end; ++j) {
      float sum = 0.0f;
      for (std::int64_t k = j * s; k < (j + 1) * s; ++k) sum += fine_row_[static_cast<std::size_t>(k)];
      row[j] += share * sum;
    }
  }

  const Batch& batch_;
  Engine engine_;
  ConvexChords convex_;
  EllipsoidChords ellipsoid_;
  MeshChords mesh_;
  VoxelCounts voxels_;
  MovingChords moving_;
  std::vector<float> fine_row_;
  std::vector<double> beam_x_, beam_y_, sample_x_, sample_y_;
  std::array<double, BeamPath::at_once> low_y_{}, high_y_{};
  std::array<std::vector<double>, 9> turned_;
};

// How a batch is shared out: whole images while there are enough of them, bands of rows otherwise.
struct Shares {
  bool whole_images;
  std::int64_t chunk;  // images, or rows
};

inline Shares share_out(std::int64_t images, std::int64_t rows, std::int64_t columns, int n_threads) {
  if (images >= 2 * n_threads || n_threads == 1) {
    // Chunks of about a million pixels: long against a claim, short against a poll for Ctrl-C.
    const std::int64_t per_million = (std::int64_t{1} << 20) / std::max<std::int64_t>(rows * columns, 1);
    const std::int64_t fair = images / (8 * n_threads);
    return {true, std::max<std::int64_t>(1, std::min(per_million, fair))};
  }
  return {false, std::max<std::int64_t>(1, rows / (8 * n_threads))};
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
