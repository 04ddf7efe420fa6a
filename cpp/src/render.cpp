// Batches of thickness maps and images; compiled once per instruction set.
#include "stemfast/render.hpp"

#include <algorithm>
#include <span>
#include <type_traits>
#include <vector>

#include "stages.hpp"
#include "stemfast/image_stages.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

void thickness(const Batch& batch, Engine engine, float* out, const Execution& execution) {
  const std::int64_t rows = batch.scan.rows, columns = batch.scan.columns, images = batch.images();
  const Shares shares = share_out(images, rows, columns, execution.n_threads);
  std::vector<ThicknessRows> per_thread(static_cast<std::size_t>(execution.n_threads),
                                        ThicknessRows(batch, engine));
  const auto render = [&](int thread, std::int64_t image, Range band) {
    float* first = out + (image * rows + band.begin) * columns;
    std::fill(first, first + band.size() * columns, 0.0f);
    per_thread[static_cast<std::size_t>(thread)].add(image, band, first);
  };
  if (shares.whole_images) {
    parallel_for(images, shares.chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) render(thread, i, {0, rows});
                 });
    return;
  }
  for (std::int64_t i = 0; i < images; ++i) {
    parallel_for(rows, shares.chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) { render(thread, i, {begin, end}); });
  }
}

namespace {

// Planes that an image of the batch needs, the signal's among them.
std::size_t plane_count(const RecordingTable& recording) {
  const auto positive = [](double x) { return x > 0.0; };
  const auto any = [&](std::span<const double> v) { return std::any_of(v.begin(), v.end(), positive); };
  if (any(recording.convergence)) return 3;
  return any(recording.tail_fraction) || any(recording.decay) ? 2 : 1;
}

// All steps of one image. `team` has worked on it when this returns; over(n, work) calls work(member, Range)
// for all of 0 … n − 1, in one piece or in bands shared out among the team, and waits for its end.
template <class Level, class Over>
void take_image(std::int64_t image, std::span<ImageStages> team, const Planes& planes, Level* out,
                std::int64_t* clipped, const Over& over) {
  ImageStages& own = team.front();
  const auto over_rows = [&](const auto& step) { over(planes.signal.rows, step); };
  if (own.has_depth(image)) {
    const FocusSlabs slabs = own.focus_slabs(image);
    for (std::int64_t k = 0; k < slabs.count(); ++k) {
      over_rows([&](ImageStages& stages, Range band) { stages.expect_slab(image, k, slabs, band, planes); });
      over_rows([&](ImageStages& stages, Range band) { stages.add_slab(k, slabs, band, planes); });
    }
  } else {
    over_rows([&](ImageStages& stages, Range band) { stages.expect(image, band, planes); });
  }
  if (own.has_tail(image)) {
    own.spread(image, planes, [&](std::int64_t n, const auto& work) {
      over(n, [&](ImageStages&, Range part) { work(part); });
    });
  }
  if (!std::is_same_v<Level, Expected> && own.glows(image)) {
    over_rows([&](ImageStages& stages, Range band) { stages.collect(image, band, planes); });
    own.fade(image, planes);
  }
  over_rows([&](ImageStages& stages, Range band) { stages.record(image, band, planes, out); });
  for (ImageStages& stages : team) {
    const Clipped c = stages.take_clipped();
    clipped[2 * image] += c.above;
    clipped[2 * image + 1] += c.below;
  }
}

template <class Level>
void simulate_as(const Batch& batch, const RecordingTable& recording, Engine engine, Level* out,
                 std::int64_t* clipped, const Execution& execution) {
  const std::int64_t rows = batch.scan.rows, columns = batch.scan.columns, images = batch.images();
  const Shares shares = share_out(images, rows, columns, execution.n_threads);
  const auto threads = static_cast<std::size_t>(execution.n_threads);
  const auto pixels = static_cast<std::size_t>(rows * columns);
  const std::size_t count = plane_count(recording);
  std::vector<ImageStages> stages(threads, ImageStages(batch, recording, engine));
  std::vector<std::vector<float>> memory(shares.whole_images ? threads : 1);
  for (auto& m : memory) m.resize(count * pixels);
  const auto planes_of = [&](std::size_t t) {
    const auto plane = [&](std::size_t k) {
      return ImageView<float>{k < count ? memory[t].data() + k * pixels : nullptr, rows, columns};
    };
    return Planes{plane(0), plane(1), plane(2)};
  };
  std::fill(clipped, clipped + 2 * images, 0);

  if (shares.whole_images) {
    parallel_for(images, shares.chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   const auto t = static_cast<std::size_t>(thread);
                   ImageStages& own = stages[t];
                   const auto at_once = [&](std::int64_t n, const auto& work) { work(own, Range{0, n}); };
                   for (std::int64_t i = begin; i < end; ++i) {
                     take_image(i, {&own, 1}, planes_of(t), out + i * rows * columns, clipped, at_once);
                   }
                 });
    return;
  }
  const auto in_bands = [&](std::int64_t n, const auto& work) {
    const std::int64_t chunk = std::max<std::int64_t>(1, n / (8 * execution.n_threads));
    parallel_for(n, chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   work(stages[static_cast<std::size_t>(thread)], Range{begin, end});
                 });
  };
  for (std::int64_t i = 0; i < images; ++i) {
    take_image(i, stages, planes_of(0), out + i * rows * columns, clipped, in_bands);
  }
}

}  // namespace

void simulate(const Batch& batch, const RecordingTable& recording, Engine engine, PixelType type, void* out,
              std::int64_t* clipped, const Execution& execution) {
  switch (type) {
    case PixelType::u8:
      return simulate_as(batch, recording, engine, static_cast<std::uint8_t*>(out), clipped, execution);
    case PixelType::u16:
      return simulate_as(batch, recording, engine, static_cast<std::uint16_t*>(out), clipped, execution);
    case PixelType::f32:
      return simulate_as(batch, recording, engine, static_cast<float*>(out), clipped, execution);
    case PixelType::expected:
      return simulate_as(batch, recording, engine, static_cast<Expected*>(out), clipped, execution);
  }
}

void scan_path(const Batch& batch, std::int64_t image, double* time, double* x, double* y, double* turn) {
  const std::int64_t rows = batch.scan.rows, columns = batch.scan.columns;
  const BeamPath beam(batch, image);
  const PosePath path(batch.scan, image);
  const ScanClock clock = clock_of(batch.scan, image);
  beam.rows({0, rows}, x, y);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      time[i * columns + j] = clock.row_start(i) + static_cast<double>(j) * clock.dwell;
      const Quaternion q = !path.moves()               ? Quaternion{}
                           : batch.scan.pose_per_pixel ? path.at_pixel(i, j)
                                                       : path.at_row(i);
      double* out = turn + 4 * (i * columns + j);
      out[0] = q.x;
      out[1] = q.y;
      out[2] = q.z;
      out[3] = q.w;
    }
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
