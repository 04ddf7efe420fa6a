// Single stages, and the table of all of them; compiled once per instruction set.
#include "stemfast/kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "stages.hpp"
#include "stemfast/contrast.hpp"
#include "stemfast/detector.hpp"
#include "stemfast/dose.hpp"
#include "stemfast/film.hpp"
#include "stemfast/probe.hpp"
#include "stemfast/pulses.hpp"
#include "stemfast/quaternion.hpp"
#include "stemfast/quotient.hpp"
#include "stemfast/rng.hpp"
#include "stemfast/tail.hpp"

#define STEMFAST_TEXT(x) #x
#define STEMFAST_NAME(x) STEMFAST_TEXT(x)

namespace stemfast {
inline namespace STEMFAST_ISA {
namespace {

void blur(float* image, std::int64_t rows, std::int64_t columns, double sigma, std::uint8_t boundary,
          const Execution& execution) {
  const auto mode = static_cast<Boundary>(boundary);
  std::vector<GaussianProbe> probes(static_cast<std::size_t>(execution.n_threads));
  for (auto& probe : probes) probe.set(sigma, columns, mode);
  const ImageView<float> view{image, rows, columns};
  const std::unique_ptr<float[]> along(new float[static_cast<std::size_t>(rows * columns)]);
  const ImageView<float> source{along.get(), rows, columns};
  const std::int64_t chunk = std::max<std::int64_t>(1, rows / (8 * execution.n_threads));
  parallel_for(rows, chunk, execution.n_threads, execution.stop,
               [&](int thread, std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   probes[static_cast<std::size_t>(thread)].along_row(view.row(i), source.row(i), columns);
                 }
               });
  parallel_for(rows, chunk, execution.n_threads, execution.stop,
               [&](int thread, std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   probes[static_cast<std::size_t>(thread)].across_rows(source, i, view.row(i));
                 }
               });
}

void film(const FilmSettings& settings, std::int64_t rows, std::int64_t columns, double pixel_size,
          const RandomKey& key, float* out, const Execution& execution) {
  const BeamPath beam(Grid{rows, columns, pixel_size});
  const Stream stream(key.seed, key.first_index, static_cast<std::uint32_t>(Stage::film));
  std::vector<FilmLayer> layers(static_cast<std::size_t>(execution.n_threads));
  const std::int64_t chunk =
      execution.n_threads == 1 ? rows : std::max<std::int64_t>(1, rows / (8 * execution.n_threads));
  parallel_for(rows, chunk, execution.n_threads, execution.stop,
               [&](int thread, std::int64_t begin, std::int64_t end) {
                 layers[static_cast<std::size_t>(thread)].lay(settings, stream, beam, {begin, end},
                                                              out + begin * columns);
               });
}

void poisson_counts(const float* mean, std::int64_t n, const RandomKey& key, std::int32_t* counts,
                    const Execution& execution) {
  const Stream dose(key.seed, key.first_index, static_cast<std::uint32_t>(Stage::dose));
  parallel_for(n, 1 << 14, execution.n_threads, execution.stop,
               [&](int, std::int64_t begin, std::int64_t end) {
                 poisson(dose, begin, mean + begin, end - begin, counts + begin);
               });
}

void poisson_quantiles(const std::uint64_t* bits, const double* mean, std::int64_t n, double* counts) {
  for (std::int64_t i = 0; i < n; ++i) counts[i] = poisson_quantile(bits[i], mean[i]);
}

void read_out_all(const std::int32_t* counts, std::int64_t n, double gain, double offset, double read_noise,
                  const RandomKey& key, PixelType type, void* out) {
  const Electronics e{gain, offset, read_noise};
  Clipped clipped;
  const Stream noise(key.seed, key.first_index, static_cast<std::uint32_t>(Stage::read_noise));
  switch (type) {
    case PixelType::u8:
      return read_out(counts, 0, n, e, noise, static_cast<std::uint8_t*>(out), clipped);
    case PixelType::u16:
      return read_out(counts, 0, n, e, noise, static_cast<std::uint16_t*>(out), clipped);
    case PixelType::f32:
      return read_out(counts, 0, n, e, noise, static_cast<float*>(out), clipped);
    case PixelType::expected:
      break;  // has no read-out
  }
}

void add_tail(float* image, std::int64_t rows, std::int64_t columns, double gamma, double fraction) {
  LorentzianTail tail;
  tail.set(gamma, rows, columns);
  tail.add_to({image, rows, columns}, static_cast<float>(fraction),
              [](std::int64_t n, const auto& work) { work(Range{0, n}); });
}

void quotients(const double* a, const double* b, std::int64_t n, double* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = quotient(a[i], b[i], 1.0 / b[i]);
}

void multiply_all(const std::int32_t* counts, std::int64_t n, double excess, const RandomKey& key,
                  double* charge) {
  const Stream pulses(key.seed, key.first_index, static_cast<std::uint32_t>(Stage::excess_noise));
  multiply(counts, 0, n, excess, pulses, charge);
}

void fade(float* charge, std::int64_t rows, std::int64_t columns, double decay, double dwell,
          double flyback) {
  Afterglow(decay, dwell, flyback).apply(charge, rows, columns);
}

void haar_orientations(const RandomKey& key, std::int64_t n, double* out) {
  for (std::int64_t i = 0; i < n; ++i) {
    const Quaternion q = haar_orientation(key.seed, key.first_index + static_cast<std::uint64_t>(i));
    out[4 * i] = q.x;
    out[4 * i + 1] = q.y;
    out[4 * i + 2] = q.z;
    out[4 * i + 3] = q.w;
  }
}

void uniforms(std::uint64_t seed, const std::uint64_t* index, std::int64_t n, std::uint32_t stage,
              std::int64_t draws, double* out) {
  for (std::int64_t i = 0; i < n; ++i) {
    const Stream stream(seed, index[i], static_cast<std::uint32_t>(Stage::recipe) + stage);
    for (std::int64_t d = 0; d < draws; d += 2) {
      const Words words = stream.block(static_cast<std::uint32_t>(d / 2));
      out[i * draws + d] = unit_interval(words[0], words[1]);
      if (d + 1 < draws) out[i * draws + d + 1] = unit_interval(words[2], words[3]);
    }
  }
}

}  // namespace

extern const Kernels table = {
    .name = STEMFAST_NAME(STEMFAST_ISA) + 4,  // without the "isa_"
    .thickness = thickness,
    .simulate = simulate,
    .scan_path = scan_path,
    .voxelize = voxelize,
    .project_volume = project_volume,
    .chords = chords,
    .misfits = misfits,
    .expected_electrons = expected_electrons,
    .log_likelihood = log_likelihood,
    .error_bars = error_bars,
    .blur_bands = blur_bands,
    .weighted_jacobian = weighted_jacobian,
    .scattered_fraction = scattered_fraction,
    .blur = blur,
    .film = film,
    .poisson = poisson_counts,
    .poisson_quantiles = poisson_quantiles,
    .read_out = read_out_all,
    .add_tail = add_tail,
    .multiply = multiply_all,
    .fade = fade,
    .quotients = quotients,
    .convolve = convolve,
    .haar_orientations = haar_orientations,
    .uniforms = uniforms,
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
