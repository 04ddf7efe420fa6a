// Batches of thickness maps and images; compiled once per instruction set.
#include "stemfast/render.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "stages.hpp"
#include "stemfast/contrast.hpp"
#include "stemfast/detector.hpp"
#include "stemfast/dose.hpp"
#include "stemfast/film.hpp"
#include "stemfast/probe.hpp"

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

// A pixel that takes the mean number of electrons as it is: neither counted nor read out.
struct Expected {
  float electrons;
};

// One image's way through the stages. The first half ends with the probe's blur along each row, which
// needs nothing from other rows; the second half begins with the blur across them.
class ImageStages {
 public:
  ImageStages(const Batch& batch, const RecordingTable& recording, Engine engine)
      : batch_(batch),
        recording_(recording),
        thickness_(batch, engine),
        row_(static_cast<std::size_t>(batch.scan.columns)),
        count_(static_cast<std::size_t>(batch.scan.columns)) {}

  // Rows `band` of `signal`: the scattered fraction, blurred along x.
  void expect(std::int64_t image, Range band, const ImageView<float>& signal) {
    const auto i = static_cast<std::size_t>(image);
    const std::int64_t columns = batch_.scan.columns, n = band.size() * columns;
    float* depth = signal.row(band.begin);
    const Grid grid{batch_.scan.rows, columns, batch_.scan.pixel_size[i]};
    // The frames of a series show one film.
    const Stream film(batch_.key.seed, image_index(batch_, image), static_cast<std::uint32_t>(Stage::film));
    film_.lay(recording_.film[i], film, grid, band, depth);
    thickness_.add(image, band, depth);
    scattered_fraction(depth, n);
    const double sigma = recording_.probe_sigma[i];
    if (sigma > 0.0) {
      probe_.set(sigma, columns, Boundary::nearest);
      for (std::int64_t r = band.begin; r < band.end; ++r) probe_.along_row(signal.row(r), columns);
    }
  }

  // Rows `band` of `out`: counts as the detector writes them.
  template <class Level>
  void record(std::int64_t image, Range band, const ImageView<float>& signal, Level* out) {
    const auto i = static_cast<std::size_t>(image);
    const std::int64_t columns = batch_.scan.columns;
    const double sigma = recording_.probe_sigma[i];
    const auto electrons = static_cast<float>(recording_.electrons[i]);
    const Electronics electronics{recording_.gain[i], recording_.offset[i], recording_.read_noise[i]};
    const std::uint64_t seed = batch_.key.seed, index = stream_index(batch_, image);
    const Stream dose(seed, index, static_cast<std::uint32_t>(Stage::dose));
    const Stream noise(seed, index, static_cast<std::uint32_t>(Stage::read_noise));
    if (sigma > 0.0) probe_.set(sigma, columns, Boundary::nearest);
    for (std::int64_t r = band.begin; r < band.end; ++r) {
      const float* fraction = signal.row(r);
      if (sigma > 0.0) {
        probe_.across_rows(signal, r, row_.data());
        fraction = row_.data();
      }
      for (std::int64_t j = 0; j < columns; ++j) row_[j] = electrons * fraction[j];
      if constexpr (std::is_same_v<Level, Expected>) {
        for (std::int64_t j = 0; j < columns; ++j) out[r * columns + j].electrons = row_[j];
      } else {
        poisson(dose, r * columns, row_.data(), columns, count_.data());
        read_out(count_.data(), r * columns, columns, electronics, noise, out + r * columns);
      }
    }
  }

 private:
  const Batch& batch_;
  const RecordingTable& recording_;
  ThicknessRows thickness_;
  FilmLayer film_;
  GaussianProbe probe_;
  std::vector<float> row_;
  std::vector<std::int32_t> count_;
};

template <class Level>
void simulate_as(const Batch& batch, const RecordingTable& recording, Engine engine, Level* out,
                 const Execution& execution) {
  const std::int64_t rows = batch.scan.rows, columns = batch.scan.columns, images = batch.images();
  const Shares shares = share_out(images, rows, columns, execution.n_threads);
  const auto threads = static_cast<std::size_t>(execution.n_threads);
  std::vector<ImageStages> stages(threads, ImageStages(batch, recording, engine));
  std::vector<std::vector<float>> signal(shares.whole_images ? threads : 1);
  for (auto& s : signal) s.resize(static_cast<std::size_t>(rows * columns));

  if (shares.whole_images) {
    parallel_for(images, shares.chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   const auto t = static_cast<std::size_t>(thread);
                   const ImageView<float> view{signal[t].data(), rows, columns};
                   for (std::int64_t i = begin; i < end; ++i) {
                     stages[t].expect(i, {0, rows}, view);
                     stages[t].record(i, {0, rows}, view, out + i * rows * columns);
                   }
                 });
    return;
  }
  const ImageView<float> view{signal[0].data(), rows, columns};
  for (std::int64_t i = 0; i < images; ++i) {
    parallel_for(rows, shares.chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   stages[static_cast<std::size_t>(thread)].expect(i, {begin, end}, view);
                 });
    parallel_for(rows, shares.chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   stages[static_cast<std::size_t>(thread)].record(i, {begin, end}, view,
                                                                   out + i * rows * columns);
                 });
  }
}

}  // namespace

void simulate(const Batch& batch, const RecordingTable& recording, Engine engine, PixelType type, void* out,
              const Execution& execution) {
  switch (type) {
    case PixelType::u8:
      return simulate_as(batch, recording, engine, static_cast<std::uint8_t*>(out), execution);
    case PixelType::u16:
      return simulate_as(batch, recording, engine, static_cast<std::uint16_t*>(out), execution);
    case PixelType::f32:
      return simulate_as(batch, recording, engine, static_cast<float*>(out), execution);
    case PixelType::expected:
      return simulate_as(batch, recording, engine, static_cast<Expected*>(out), execution);
  }
}

void scan_path(const Batch& batch, std::int64_t image, double* time, double* x, double* y, double* turn) {
  const std::int64_t rows = batch.scan.rows, columns = batch.scan.columns;
  const BeamPath beam(batch, image);
  const PosePath path(batch.scan, image);
  const ScanClock clock = clock_of(batch.scan, image);
  const Grid grid{rows, columns, batch.scan.pixel_size[static_cast<std::size_t>(image)]};
  for (std::int64_t i = 0; i < rows; ++i) {
    double *xi = x + i * columns, *yi = y + i * columns;
    beam.row(i, xi, yi);
    for (std::int64_t j = 0; j < columns; ++j) {
      time[i * columns + j] = clock.row_start(i) + static_cast<double>(j) * clock.dwell;
      xi[j] += grid.x(static_cast<double>(j));
      yi[j] += grid.y(static_cast<double>(i));
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
