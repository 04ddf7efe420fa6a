// From posed solids to rows of thickness, and from there to images.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "stemfast/body.hpp"
#include "stemfast/chord.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/kernels.hpp"
#include "stemfast/mesh.hpp"
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
    fine_row_.resize(batch.scan.oversample > 1 ? static_cast<std::size_t>(columns) : 0);
  }

  // depth has the batch's columns; its first row is row `rows.begin` of image `image`.
  void add(std::int64_t image, Range rows, float* depth) {
    const auto& bodies = batch_.bodies;
    const auto first = static_cast<std::size_t>(bodies.image_offset[static_cast<std::size_t>(image)]);
    const auto last = static_cast<std::size_t>(bodies.image_offset[static_cast<std::size_t>(image) + 1]);
    for (std::size_t b = first; b < last; ++b) add_body(image, b, rows, depth);
  }

 private:
  void add_body(std::int64_t image, std::size_t b, Range rows, float* depth) {
    const Solid solid = solid_of(batch_.shapes, batch_.bodies.shape[b]);
    if (engine_ == Engine::voxel) return add_solid(voxels_, solid, image, b, rows, depth);
    if (solid.kind == ShapeKind::convex) return add_solid(convex_, solid, image, b, rows, depth);
    if (solid.kind == ShapeKind::ellipsoid) return add_solid(ellipsoid_, solid, image, b, rows, depth);
    return add_solid(mesh_, solid, image, b, rows, depth);
  }

  template <class Rows>
  void add_solid(Rows& solid_rows, const Solid& solid, std::int64_t image, std::size_t b, Range rows,
                 float* depth) {
    const double* q = &batch_.bodies.orientation[4 * b];
    const double* p = &batch_.bodies.position[3 * b];
    const double* w = &batch_.scan.spin[3 * static_cast<std::size_t>(image)];
    const Quaternion mid_frame{q[0], q[1], q[2], q[3]};
    const Vector3 position{p[0], p[1], p[2]}, spin{w[0], w[1], w[2]};
    const Grid grid = fine_grid(batch_.scan, image);
    const auto weight = static_cast<float>(batch_.bodies.weight[b]);

    if (spin[0] == 0.0 && spin[1] == 0.0 && spin[2] == 0.0) {
      solid_rows.place(solid, {matrix(mid_frame), position}, grid);
      const Range reached = intersect(rows, scan_rows(solid_rows.rows()));
      for (std::int64_t i = reached.begin; i < reached.end; ++i) {
        add_row(solid_rows, i, weight, depth + (i - rows.begin) * batch_.scan.columns);
      }
      return;
    }
    const ScanClock clock = clock_of(batch_.scan, image);
    const double radius = bounding_radius(solid);
    const Range reached =
        intersect(rows, scan_rows(grid.rows_within(position[1] - radius, position[1] + radius)));
    for (std::int64_t i = reached.begin; i < reached.end; ++i) {
      const Quaternion turned =
          normalised(from_angular_velocity(spin, clock.row_time_from_mid_frame(i)) * mid_frame);
      solid_rows.place(solid, {matrix(turned), position}, grid);
      add_row(solid_rows, i, weight, depth + (i - rows.begin) * batch_.scan.columns);
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
  std::vector<float> fine_row_;
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
