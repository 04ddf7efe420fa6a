// One image's way through the stages.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "stemfast/contrast.hpp"
#include "stemfast/detector.hpp"
#include "stemfast/dose.hpp"
#include "stemfast/film.hpp"
#include "stemfast/focus.hpp"
#include "stemfast/isa.hpp"
#include "stemfast/probe.hpp"
#include "stemfast/pulses.hpp"
#include "stemfast/render.hpp"
#include "stemfast/tail.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// A pixel that takes the mean number of electrons as it is: neither counted nor read out.
struct Expected {
  float electrons;
};

// Fields of one image on its way through the stages.
struct Planes {
  ImageView<float> signal;  // scattered fraction
  ImageView<float> spare;   // there only if an image of the batch asks for it
  ImageView<float> above;   // likewise: the depth of the slabs so far
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
    scattered_fraction(recording_.curve[i], depth, n);
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
    float *depth = planes.spare.row(band.begin), *above = planes.above.row(band.begin);
    if (k == 0) std::fill(above, above + n, 0.0f);
    if (k == slabs.count() - 1) {
      lay_film(image, band, depth);
    } else {
      std::fill(depth, depth + n, 0.0f);
    }
    thickness_.limit(slabs.slab(k));
    thickness_.add(image, band, depth);
    thickness_.limit(Slab{});
    scattered_in_slab(recording_.curve[static_cast<std::size_t>(image)], depth, above, n);
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

  // The image's signal with the whole probe, its tail included; share(n, work) as in LorentzianTail.
  template <class Share>
  void spread(std::int64_t image, const Planes& planes, const Share& share) {
    const auto i = static_cast<std::size_t>(image);
    const std::int64_t rows = batch_.scan.rows, columns = batch_.scan.columns;
    prepare(image);
    if (recording_.probe_sigma[i] > 0.0 && !has_depth(image)) {
      share(rows, [&](Range band) {
        for (std::int64_t r = band.begin; r < band.end; ++r) {
          probe_.across_rows(planes.signal, r, planes.spare.row(r));
        }
      });
      share(rows, [&](Range band) {
        std::copy(planes.spare.row(band.begin), planes.spare.row(band.begin) + band.size() * columns,
                  planes.signal.row(band.begin));
      });
    }
    tail_.set(recording_.tail_gamma[i], rows, columns);
    tail_.add_to(planes.signal, static_cast<float>(recording_.tail_fraction[i]), share);
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
    if (recording_.bright_field[i] != 0) {
      for (std::int64_t j = 0; j < columns; ++j) row_[j] = electrons * (1.0f - fraction[j]);
      return;
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

}  // namespace STEMFAST_ISA
}  // namespace stemfast
