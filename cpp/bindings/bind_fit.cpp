// What fits of solids ask of the core: chords, expected electrons, likelihoods, jacobians.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "arrays.hpp"

namespace stemfast::bindings {
namespace {

// Memory of arrays that come and go at every step of a climb. Freed, it would go back to the system and come
// again page by page, which takes longer than to fill it.
class BufferPool {
 public:
  struct Buffer {
    std::size_t size;
    std::unique_ptr<double[]> values;
  };

  // One of at least this size, of at most twice as much where it was used before.
  Buffer* take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    for (auto& buffer : free_) {
      if (buffer == nullptr || buffer->size < size || buffer->size > 2 * size) continue;
      return buffer.release();
    }
    return new Buffer{size, std::unique_ptr<double[]>(new double[size])};
  }

  void give_back(Buffer* buffer) {
    std::unique_ptr<Buffer> own(buffer);
    const std::lock_guard lock(mutex_);
    const auto place = std::find(free_.begin(), free_.end(), nullptr);
    if (place != free_.end()) {
      *place = std::move(own);
    } else {
      oldest_ = (oldest_ + 1) % free_.size();
      free_[oldest_] = std::move(own);
    }
  }

 private:
  std::mutex mutex_;
  std::array<std::unique_ptr<Buffer>, 8> free_;
  std::size_t oldest_ = 0;
};

// Arrays can outlive the module, and the pool outlives them.
BufferPool& pool() {
  static auto* const shared = new BufferPool;
  return *shared;
}

// An array that is not initialised, from the pool where it is large, but not so large that it is rare.
Array<double> unfilled(std::vector<py::ssize_t> shape) {
  constexpr std::size_t large = 1 << 14, rare = 1 << 20;
  std::size_t size = 1;
  for (const py::ssize_t n : shape) size *= static_cast<std::size_t>(n);
  if (size < large || size > rare) return Array<double>(std::move(shape));
  BufferPool::Buffer* const buffer = pool().take(size);
  const py::capsule owner(buffer,
                          [](void* memory) { pool().give_back(static_cast<BufferPool::Buffer*>(memory)); });
  return Array<double>(std::move(shape), buffer->values.get(), owner);
}

constexpr double steepest = 1e-9;  // n_z of a plane along the beam, kept from 0
// A face steeper than this is seen in one pixel at most, where a turn by a thousandth of a radian makes or
// unmakes its slope: as it stands, that one pixel would fix the pose to a millionth.
constexpr double steepest_slope = 2e-3;

// Half-spaces n·r ≤ d as what the kernels take: along the beam a plane is met at z = (d − n_x x − n_y y)/n_z.
class Planes {
 public:
  Planes(const Array<double>& normals, const Array<double>& heights) : normals_(normals.data()) {
    require_shape(normals, {-1, -1, 3}, "normals");
    body_.groups = normals.shape(0);
    body_.faces = normals.shape(1);
    require(body_.faces > 0, "normals is empty");
    require_shape(heights, {body_.groups, body_.faces}, "heights");
    const std::int64_t n = body_.groups * body_.faces;
    crossings_.resize(static_cast<std::size_t>(3 * n));
    leaves_.resize(static_cast<std::size_t>(n));
    for (std::int64_t f = 0; f < n; ++f) {
      const double* const normal = normals_ + 3 * f;
      const bool leaves = normal[2] >= 0.0;
      const double least = leaves ? steepest : -steepest;
      const double nz = std::abs(normal[2]) < steepest ? least : normal[2];
      double* const z = crossings_.data() + 3 * f;
      z[0] = heights.data()[f] / nz;
      z[1] = -normal[0] / nz;
      z[2] = -normal[1] / nz;
      leaves_[static_cast<std::size_t>(f)] = leaves ? 1 : 0;
    }
    require_both();
    body_.crossings = crossings_.data();
    body_.leaves = leaves_.data();
  }

  // With derivatives of normals and heights: z n_z = d − n_x x − n_y y, so that
  // n_z dz = dd − x dn_x − y dn_y − z dn_z, which is affine in x and y once more.
  void differentiate(const Array<double>& d_normals, const Array<double>& d_heights) {
    require_shape(d_heights, {body_.groups, body_.faces, -1}, "d_heights");
    const std::int64_t n = d_heights.shape(2);
    require_shape(d_normals, {body_.groups, body_.faces, n, 3}, "d_normals");
    slopes_.resize(crossings_.size() * static_cast<std::size_t>(n));
    for (std::int64_t f = 0; f < body_.groups * body_.faces; ++f) {
      const double nz = normals_[3 * f + 2];
      const double gentle = std::copysign(std::max(std::abs(nz), steepest_slope), nz);
      const double* const z = crossings_.data() + 3 * f;
      double* const slopes = slopes_.data() + 3 * f * n;
      for (std::int64_t p = 0; p < n; ++p) {
        const double* const change = d_normals.data() + 3 * (f * n + p);
        slopes[p] = (d_heights.data()[f * n + p] - change[2] * z[0]) / gentle;
        slopes[n + p] = (-change[0] - change[2] * z[1]) / gentle;
        slopes[2 * n + p] = (-change[1] - change[2] * z[2]) / gentle;
      }
    }
    body_.slopes = slopes_.data();
    body_.parameters = n;
  }

  const HalfSpaces& body() const { return body_; }

 private:
  // Every group needs a plane to leave by and one to enter by.
  void require_both() const {
    for (auto first = leaves_.begin(); first != leaves_.end(); first += body_.faces) {
      const auto exits = std::count(first, first + body_.faces, std::uint8_t{1});
      require(exits > 0 && exits < body_.faces, "normals must leave planes to enter and to leave by");
    }
  }

  const double* normals_;
  std::vector<double> crossings_, slopes_;
  std::vector<std::uint8_t> leaves_;
  HalfSpaces body_{};
};

std::pair<Array<double>, std::optional<Array<double>>> chords(const Array<double>& normals,
                                                              const Array<double>& heights,
                                                              const Array<double>& x, const Array<double>& y,
                                                              const std::optional<Array<double>>& d_normals,
                                                              const std::optional<Array<double>>& d_heights) {
  Planes planes(normals, heights);
  const std::int64_t groups = normals.shape(0);
  require_shape(x, {groups, -1}, "x");
  const std::int64_t pixels = x.shape(1);
  require_shape(y, {groups, pixels}, "y");
  std::optional<Array<double>> jacobian;
  if (d_normals && d_heights) {
    planes.differentiate(*d_normals, *d_heights);
    jacobian = unfilled({groups, pixels, planes.body().parameters});
  }
  Array<double> t = unfilled({groups, pixels});
  kernels().chords(planes.body(), x.data(), y.data(), pixels, t.mutable_data(),
                   jacobian ? jacobian->mutable_data() : nullptr);
  return {std::move(t), std::move(jacobian)};
}

using BandArrays = std::pair<Array<std::int64_t>, Array<double>>;

Bands bands(const BandArrays& arrays, std::int64_t n, const char* name) {
  const auto& [first, weight] = arrays;
  require_shape(first, {n}, name);
  require_shape(weight, {n, -1}, name);
  const std::int64_t taps = weight.shape(1);
  for (const std::int64_t begin : values(first)) {
    require(taps > 0 && begin >= 0 && begin <= n - taps,
            std::string(name) + " must lie within the " + std::to_string(n) + " pixels");
  }
  return {first.data(), weight.data(), n, taps};
}

Array<double> blur_bands(const Array<double>& image, const BandArrays& rows, const BandArrays& columns) {
  require_shape(image, {-1, -1}, "image");
  const std::int64_t height = image.shape(0), width = image.shape(1);
  Array<double> out({height, width});
  kernels().blur_bands(image.data(), bands(rows, height, "rows"), bands(columns, width, "columns"),
                       out.mutable_data());
  return out;
}

Scattering scattering(const std::array<double, 5>& curve) {
  return {curve[0], curve[1], curve[2], curve[3], curve[4]};
}

using Electrons = std::pair<Array<double>, Array<double>>;

Electrons expected_electrons(const Array<double>& t, const Array<double>& amplitude, double dose,
                             const Array<double>& film, const Array<double>& waves, double path,
                             double film_path, const std::array<double, 5>& curve, const BandArrays& rows,
                             const BandArrays& columns) {
  require_shape(t, {-1, -1}, "t");
  const std::int64_t height = t.shape(0), width = t.shape(1), n_waves = amplitude.size();
  require_shape(amplitude, {n_waves}, "amplitude");
  require_shape(film, {height, width}, "film");
  require_shape(waves, {height, width, n_waves}, "waves");
  Array<double> electrons({height, width}), by_depth({height, width});
  const Optics optics{.film = film.data(),
                      .waves = waves.data(),
                      .amplitude = amplitude.data(),
                      .n_waves = n_waves,
                      .path = path,
                      .film_path = film_path,
                      .dose = dose,
                      .scattering = scattering(curve),
                      .along_y = bands(rows, height, "rows"),
                      .along_x = bands(columns, width, "columns")};
  kernels().expected_electrons(optics, t.data(), electrons.mutable_data(), by_depth.mutable_data());
  return {std::move(electrons), std::move(by_depth)};
}

CountedImage counted(const Array<double>& electrons, const Array<double>& counts, const Array<double>& weight,
                     const Array<double>& came, const Array<double>& off, double excess, double noise,
                     double least) {
  require_shape(electrons, {-1, -1}, "electrons");
  require_shape(counts, {electrons.shape(0), electrons.shape(1)}, "counts");
  require_shape(weight, {electrons.shape(0), electrons.shape(1)}, "weight");
  require_shape(came, {-1}, "came");
  require_shape(off, {came.size()}, "off");
  return {.counts = counts.data(),
          .weight = weight.data(),
          .came = came.data(),
          .off = off.data(),
          .pixels = electrons.size(),
          .n_readings = came.size(),
          .excess = excess,
          .noise = noise,
          .least = least};
}

double log_likelihood(const Array<double>& electrons, const Array<double>& counts,
                      const Array<double>& weight, const Array<double>& came, const Array<double>& off,
                      double excess, double noise, double least) {
  const CountedImage image = counted(electrons, counts, weight, came, off, excess, noise, least);
  return kernels().log_likelihood(image, electrons.data());
}

std::pair<Array<double>, Array<double>> error_bars(const Array<double>& electrons,
                                                   const Array<double>& counts, const Array<double>& weight,
                                                   const Array<double>& came, const Array<double>& off,
                                                   double excess, double noise, double least) {
  const CountedImage image = counted(electrons, counts, weight, came, off, excess, noise, least);
  Array<double> residual(electrons.size()), scale({electrons.shape(0), electrons.shape(1)});
  kernels().error_bars(image, electrons.data(), residual.mutable_data(), scale.mutable_data());
  return {std::move(residual), std::move(scale)};
}

Array<double> weighted_jacobian(const Array<double>& slopes, const Array<double>& by_depth,
                                const Array<double>& electrons, const Array<double>& weight,
                                const Array<double>& waves, double path, double film_path,
                                const BandArrays& rows, const BandArrays& columns) {
  require_shape(slopes, {-1, -1, -1}, "slopes");
  const std::int64_t height = slopes.shape(0), width = slopes.shape(1), parameters = slopes.shape(2);
  require_shape(by_depth, {height, width}, "by_depth");
  require_shape(electrons, {height, width}, "electrons");
  require_shape(weight, {height, width}, "weight");
  require_shape(waves, {height, width, -1}, "waves");
  const std::int64_t n_waves = waves.shape(2);
  Array<double> out = unfilled({height * width, parameters + n_waves + 1});
  kernels().weighted_jacobian({.slopes = slopes.data(),
                               .by_depth = by_depth.data(),
                               .waves = waves.data(),
                               .electrons = electrons.data(),
                               .weight = weight.data(),
                               .path = path,
                               .film_path = film_path,
                               .along_y = bands(rows, height, "rows"),
                               .along_x = bands(columns, width, "columns"),
                               .rows = height,
                               .columns = width,
                               .parameters = parameters,
                               .n_waves = n_waves},
                              out.mutable_data());
  return out;
}

Array<double> misfits(const Array<double>& normals, const Array<double>& heights, const Array<double>& x,
                      const Array<double>& y, const Array<double>& film, const Array<double>& scale,
                      const Array<double>& seen, double path, const std::array<double, 5>& curve) {
  const Planes planes(normals, heights);
  const std::int64_t pixels = x.size();
  require_shape(x, {pixels}, "x");
  require_shape(y, {pixels}, "y");
  require_shape(film, {pixels}, "film");
  require_shape(scale, {pixels}, "scale");
  require_shape(seen, {pixels}, "seen");
  const CoarseImage image{.x = x.data(),
                          .y = y.data(),
                          .film = film.data(),
                          .scale = scale.data(),
                          .seen = seen.data(),
                          .pixels = pixels,
                          .path = path,
                          .scattering = scattering(curve)};
  Array<double> out(normals.shape(0));
  kernels().misfits(planes.body(), image, out.mutable_data());
  return out;
}

}  // namespace

void bind_fit(py::module_& m) {
  m.def("chords", &chords, py::arg("normals"), py::arg("heights"), py::arg("x"), py::arg("y"),
        py::arg("d_normals") = py::none(), py::arg("d_heights") = py::none());
  m.def("misfits", &misfits, py::arg("normals"), py::arg("heights"), py::kw_only(), py::arg("x"),
        py::arg("y"), py::arg("film"), py::arg("scale"), py::arg("seen"), py::arg("path"), py::arg("curve"));
  m.def("blur_bands", &blur_bands, py::arg("image"), py::arg("rows"), py::arg("columns"));
  m.def("expected_electrons", &expected_electrons, py::arg("t"), py::arg("amplitude"), py::arg("dose"),
        py::kw_only(), py::arg("film"), py::arg("waves"), py::arg("path"), py::arg("film_path"),
        py::arg("curve"), py::arg("rows"), py::arg("columns"));
  m.def("log_likelihood", &log_likelihood, py::arg("electrons"), py::kw_only(), py::arg("counts"),
        py::arg("weight"), py::arg("came"), py::arg("off"), py::arg("excess"), py::arg("noise"),
        py::arg("least"));
  m.def("error_bars", &error_bars, py::arg("electrons"), py::kw_only(), py::arg("counts"), py::arg("weight"),
        py::arg("came"), py::arg("off"), py::arg("excess"), py::arg("noise"), py::arg("least"));
  m.def("weighted_jacobian", &weighted_jacobian, py::arg("slopes"), py::arg("by_depth"), py::arg("electrons"),
        py::arg("weight"), py::kw_only(), py::arg("waves"), py::arg("path"), py::arg("film_path"),
        py::arg("rows"), py::arg("columns"));
}

}  // namespace stemfast::bindings
