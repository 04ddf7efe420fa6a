// Occupancy volumes; compiled once per instruction set.
#include "stemfast/voxel.hpp"

#include <algorithm>
#include <vector>

#include "stages.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// Voxels between two looks at whether the caller wants to stop: some tens of milliseconds.
constexpr std::int64_t most_voxels = 1 << 24;

void voxelize(const Batch& batch, std::int64_t layers, double first_layer, double spacing, std::uint8_t* out,
              const Execution& execution) {
  const std::int64_t rows = batch.scan.rows, columns = batch.scan.columns;
  const Grid grid = fine_grid(batch.scan, 0);
  const auto at_once = [](std::int64_t each) { return std::max<std::int64_t>(1, most_voxels / each); };
  parallel_for(layers, at_once(rows * columns), execution.n_threads, execution.stop,
               [&](int, std::int64_t begin, std::int64_t end) {
                 std::fill(out + begin * rows * columns, out + end * rows * columns, std::uint8_t{0});
               });
  const auto bodies = static_cast<std::size_t>(batch.bodies.image_offset[1]);
  const auto threads = static_cast<std::size_t>(execution.n_threads);
  std::vector<VoxelRuns> per_thread(threads);
  for (auto& runs : per_thread) runs.reserve(batch.shapes.max_vertices, batch.shapes.max_planes);

  for (std::size_t b = 0; b < bodies; ++b) {
    const Solid solid = solid_of(batch.shapes, batch.bodies.shape[b]);
    const double* q = &batch.bodies.orientation[4 * b];
    const double* p = &batch.bodies.position[3 * b];
    const Pose pose{matrix({q[0], q[1], q[2], q[3]}), {p[0], p[1], p[2]}};
    const int weight = batch.bodies.weight[b] < 0.0 ? -1 : 1;
    for (auto& runs : per_thread) runs.place(solid, pose, grid, {first_layer, spacing, layers});
    const Range reached = intersect({0, rows}, per_thread[0].rows());
    const std::int64_t share = std::max<std::int64_t>(1, reached.size() / (8 * execution.n_threads));
    const std::int64_t chunk = std::min(share, at_once(layers * columns));
    parallel_for(reached.size(), chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = reached.begin + begin; i < reached.begin + end; ++i) {
                     per_thread[static_cast<std::size_t>(thread)].runs(
                         i, [&](std::int64_t k, std::int64_t from, std::int64_t to, int sign) {
                           // Modulo 256, so that entries and exits may come in any order.
                           std::uint8_t* voxel = out + (k * rows + i) * columns;
                           const auto gain = static_cast<std::uint8_t>(sign * weight);
                           for (std::int64_t j = from; j < to; ++j) {
                             voxel[j] = static_cast<std::uint8_t>(voxel[j] + gain);
                           }
                         });
                   }
                 });
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
