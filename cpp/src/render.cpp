// Batches of thickness maps and images; compiled once per instruction set.
#include "stemfast/render.hpp"

#include <algorithm>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "stages.hpp"
#include "stemfast/contrast.hpp"
#include "stemfast/detector.hpp"
#include "stemfast/dose.hpp"
#include "stemfast/film.hpp"
#include "stemfast/focus.hpp"
#include "stemfast/probe.hpp"
#include "stemfast/pulses.hpp"
#include "stemfast/tail.hpp"

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

// Fields of one image on its way through the stages.
struct Planes {
  ImageView<float> signal;  // scattered fraction
  ImageView<float> spare;   // there only if an image of the batch asks for it
  ImageView<float> left;    // likewise: what of the beam is left below the slabs so far
};

// One image's way through the stages. The first step ends with the probe's blur along each row, which
// needs nothing from other rows; the last begins with the blur across them. Steps on a band of rows may
// be shared out; those on the image are one thread's work, and most images have none.
class ImageStages {
 public:
  ImageStages(const Batch& batch, const RecordingTable& recording, Engine engine)
      : batch_(batch),
        recording_(recording),
        thickness_(batch, engine),
        row_(static_cast<std::size_t>(batch.scan.columns)),
        count_(static_cast<std::size_t>(batch.scan.columns)),
        charge_(static_cast<std::size_t>(batch.scan.columns)) {}

  // Rows `band` of the signal: the scattered fraction, blurred along x.
  void expect(std::int64_t image, Range band, const Planes& planes) {
    const auto i = static_cast<std::size_t>(image);
    const std::int64_t columns = batch_.scan.columns, n = band.size() * columns;
    const ImageView<float>& signal = planes.signal;
    float* depth = signal.row(band.begin);
    lay_film(image, band, depth);
    thickness_.add(image, band, depth);
    scattered_fraction(depth, n);
    const double sigma = recording_.probe_sigma[i];
    if (sigma > 0.0) {
      probe_.set(sigma, columns, Boundary::nearest);
      for (std::int64_t r = band.begin; r < band.end; ++r) {
        probe_.along_row(signal.row(r), signal.row(r), columns);
      }
    }
  }

  bool has_depth(std::int64_t image) const {
    return recording_.convergence[static_cast<std::size_t>(image)] > 0.0;
  }

  FocusSlabs focus_slabs(std::int64_t image) const { return {batch_, recording_, image}; }

  // Rows `band` of slab k: what it scatters, blurred along x, in the spare plane. The film lies below.
  void expect_slab(std::int64_t image, std::int64_t k, const FocusSlabs& slabs, Range band,
                   const Planes& planes) {
    const std::int64_t columns = batch_.scan.columns, n = band.size() * columns;
    float *depth = planes.spare.row(band.begin), *left = planes.left.row(band.begin);
    if (k == 0) std::fill(left, left + n, 1.0f);
    if (k == slabs.count() - 1) {
      lay_film(image, band, depth);
    } else {
      std::fill(depth, depth + n, 0.0f);
    }
    thickness_.limit(slabs.slab(k));
    thickness_.add(image, band, depth);
    thickness_.limit(Slab{});
    scattered_in_slab(depth, left, n);
    probe_.set(slabs.sigma(k), columns, Boundary::nearest);
    for (std::int64_t r = band.begin; r < band.end; ++r) {
      probe_.along_row(planes.spare.row(r), planes.spare.row(r), columns);
    }
  }

  // Rows `band` of the signal gain slab k, blurred across rows.
  void add_slab(std::int64_t k, const FocusSlabs& slabs, Range band, const Planes& planes) {
    const std::int64_t columns = batch_.scan.columns;
    probe_.set(slabs.sigma(k), columns, Boundary::nearest);
    for (std::int64_t r = band.begin; r < band.end; ++r) {
      float* sum = planes.signal.row(r);
      if (k == 0) {
        probe_.across_rows(planes.spare, r, sum);
        continue;
      }
      probe_.across_rows(planes.spare, r, row_.data());
      for (std::int64_t j = 0; j < columns; ++j) sum[j] += row_[static_cast<std::size_t>(j)];
    }
  }

  bool has_tail(std::int64_t image) const {
    return recording_.tail_fraction[static_cast<std::size_t>(image)] > 0.0;
  }

  // The image's signal with the whole probe, its tail included.
  void spread(std::int64_t image, const Planes& planes) {
    const auto i = static_cast<std::size_t>(image);
    const std::int64_t rows = batch_.scan.rows, columns = batch_.scan.columns;
    prepare(image);
    if (recording_.probe_sigma[i] > 0.0 && !has_depth(image)) {
      for (std::int64_t r = 0; r < rows; ++r) probe_.across_rows(planes.signal, r, planes.spare.row(r));
      std::copy(planes.spare.data, planes.spare.data + rows * columns, planes.signal.data);
    }
    tail_.set(recording_.tail_gamma[i], rows, columns);
    tail_.add_to(planes.signal, static_cast<float>(recording_.tail_fraction[i]));
  }

  bool glows(std::int64_t image) const { return recording_.decay[static_cast<std::size_t>(image)] > 0.0; }

  // Rows `band` of the charge, which goes to the spare plane.
  void collect(std::int64_t image, Range band, const Planes& planes) {
    prepare(image);
    for (std::int64_t r = band.begin; r < band.end; ++r) {
      count_row(image, r, planes);
      float* charge = planes.spare.row(r);
      const std::int64_t columns = batch_.scan.columns;
      if (excess_ > 0.0) {
        multiply(count_.data(), r * columns, columns, excess_, pulses_, charge_.data());
        std::copy(charge_.begin(), charge_.end(), charge);
      } else {
        std::copy(count_.begin(), count_.end(), charge);
      }
    }
  }

  void fade(std::int64_t image, const Planes& planes) const {
    const auto i = static_cast<std::size_t>(image);
    const Afterglow glow(recording_.decay[i], batch_.scan.dwell[i], batch_.scan.flyback[i]);
    glow.apply(planes.spare.data, batch_.scan.rows, batch_.scan.columns);
  }

  // Rows `band` of `out`, as the detector writes them.
  template <class Level>
  void record(std::int64_t image, Range band, const Planes& planes, Level* out) {
    const std::int64_t columns = batch_.scan.columns;
    prepare(image);
    const auto read = [&](std::int64_t r, const auto* charge) {
      read_out(charge, r * columns, columns, electronics_, noise_, out + r * columns, clipped_);
    };
    for (std::int64_t r = band.begin; r < band.end; ++r) {
      if (glows(image)) {
        read(r, planes.spare.row(r));
        continue;
      }
      count_row(image, r, planes);
      if (excess_ > 0.0) {
        multiply(count_.data(), r * columns, columns, excess_, pulses_, charge_.data());
        read(r, charge_.data());
      } else {
        read(r, count_.data());
      }
    }
  }

  // The same before anything is counted.
  void record(std::int64_t image, Range band, const Planes& planes, Expected* out) {
    const std::int64_t columns = batch_.scan.columns;
    prepare(image);
    for (std::int64_t r = band.begin; r < band.end; ++r) {
      expect_row(image, r, planes);
      for (std::int64_t j = 0; j < columns; ++j) out[r * columns + j].electrons = row_[j];
    }
  }

  // Pixels clipped since this was last asked.
  Clipped take_clipped() { return std::exchange(clipped_, Clipped{}); }

 private:
  // The frames of a series show one film, each where its beam stands.
  void lay_film(std::int64_t image, Range band, float* depth) {
    const auto i = static_cast<std::size_t>(image);
    const Stream film(batch_.key.seed, image_index(batch_, image), static_cast<std::uint32_t>(Stage::film));
    film_.lay(recording_.film[i], film, BeamPath(batch_, image), band, depth);
  }

  void prepare(std::int64_t image) {
    const auto i = static_cast<std::size_t>(image);
    const std::uint64_t seed = batch_.key.seed, index = stream_index(batch_, image);
    const auto stream = [&](Stage stage) { return Stream(seed, index, static_cast<std::uint32_t>(stage)); };
    dose_ = stream(Stage::dose);
    noise_ = stream(Stage::read_noise);
    pulses_ = stream(Stage::excess_noise);
    electronics_ = {recording_.gain[i], recording_.offset[i], recording_.read_noise[i]};
    excess_ = recording_.excess_noise[i];
    if (recording_.probe_sigma[i] > 0.0) {
      probe_.set(recording_.probe_sigma[i], batch_.scan.columns, Boundary::nearest);
    }
  }

  // The mean electrons of one row, from the blur across rows onwards.
  void expect_row(std::int64_t image, std::int64_t r, const Planes& planes) {
    const auto i = static_cast<std::size_t>(image);
    const std::int64_t columns = batch_.scan.columns;
    const auto electrons = static_cast<float>(recording_.electrons[i]);
    const float* fraction = planes.signal.row(r);
    if (recording_.probe_sigma[i] > 0.0 && !has_tail(image) && !has_depth(image)) {
      probe_.across_rows(planes.signal, r, row_.data());
      fraction = row_.data();
    }
    for (std::int64_t j = 0; j < columns; ++j) row_[j] = electrons * fraction[j];
  }

  void count_row(std::int64_t image, std::int64_t r, const Planes& planes) {
    expect_row(image, r, planes);
    poisson(dose_, r * batch_.scan.columns, row_.data(), batch_.scan.columns, count_.data());
  }

  const Batch& batch_;
  const RecordingTable& recording_;
  ThicknessRows thickness_;
  FilmLayer film_;
  GaussianProbe probe_;
  LorentzianTail tail_;
  Stream dose_{0, 0, 0}, noise_{0, 0, 0}, pulses_{0, 0, 0};
  Electronics electronics_{};
  double excess_ = 0.0;
  Clipped clipped_;
  std::vector<float> row_;
  std::vector<std::int32_t> count_;
  std::vector<double> charge_;
};

// Planes that an image of the batch needs, the signal's among them.
std::size_t plane_count(const RecordingTable& recording) {
  const auto positive = [](double x) { return x > 0.0; };
  const auto any = [&](std::span<const double> v) { return std::any_of(v.begin(), v.end(), positive); };
  if (any(recording.convergence)) return 3;
  return any(recording.tail_fraction) || any(recording.decay) ? 2 : 1;
}

// All steps of one image. `team` has worked on it when this returns; over_rows(step) runs a step on all
// rows, in one piece or in bands, and waits for its end.
template <class Level, class OverRows>
void take_image(std::int64_t image, std::span<ImageStages> team, const Planes& planes, Level* out,
                std::int64_t* clipped, const OverRows& over_rows) {
  ImageStages& own = team.front();
  if (own.has_depth(image)) {
    const FocusSlabs slabs = own.focus_slabs(image);
    for (std::int64_t k = 0; k < slabs.count(); ++k) {
      over_rows([&](ImageStages& stages, Range band) { stages.expect_slab(image, k, slabs, band, planes); });
      over_rows([&](ImageStages& stages, Range band) { stages.add_slab(k, slabs, band, planes); });
    }
  } else {
    over_rows([&](ImageStages& stages, Range band) { stages.expect(image, band, planes); });
  }
  if (own.has_tail(image)) own.spread(image, planes);
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
                   const auto at_once = [&](const auto& step) { step(own, Range{0, rows}); };
                   for (std::int64_t i = begin; i < end; ++i) {
                     take_image(i, {&own, 1}, planes_of(t), out + i * rows * columns, clipped, at_once);
                   }
                 });
    return;
  }
  const auto in_bands = [&](const auto& step) {
    parallel_for(rows, shares.chunk, execution.n_threads, execution.stop,
                 [&](int thread, std::int64_t begin, std::int64_t end) {
                   step(stages[static_cast<std::size_t>(thread)], Range{begin, end});
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
  for (std::int64_t i = 0; i < rows; ++i) {
    beam.row(i, x + i * columns, y + i * columns);
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
