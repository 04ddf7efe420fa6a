// What fits of solids ask of the core: chords, expected electrons, likelihoods, jacobians.
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <utility>

#include "arrays.hpp"

namespace stemfast::bindings {
namespace {

// Every group needs a plane to leave by and one to enter by.
void require_both(const Array<std::uint8_t>& leaves) {
  const auto all = values(leaves);
  const auto faces = static_cast<std::size_t>(leaves.shape(1));
  for (std::size_t first = 0; first < all.size(); first += faces) {
    const auto own = all.subspan(first, faces);
    const auto exits = static_cast<std::size_t>(
        std::count_if(own.begin(), own.end(), [](std::uint8_t leaving) { return leaving != 0; }));
    require(exits > 0 && exits < faces, "leaves must have planes to leave by and to enter by");
  }
}

std::pair<Array<double>, std::optional<Array<double>>> chords(const Array<double>& crossings,
                                                              const Array<std::uint8_t>& leaves,
                                                              const Array<double>& x, const Array<double>& y,
                                                              const std::optional<Array<double>>& slopes) {
  require_shape(crossings, {-1, -1, 3}, "crossings");
  const std::int64_t groups = crossings.shape(0), faces = crossings.shape(1);
  require_shape(leaves, {groups, faces}, "leaves");
  require_shape(x, {groups, -1}, "x");
  const std::int64_t pixels = x.shape(1);
  require_shape(y, {groups, pixels}, "y");
  require_both(leaves);
  HalfSpaces body{crossings.data(), leaves.data(), nullptr, groups, faces, 0};
  std::optional<Array<double>> jacobian;
  if (slopes) {
    require_shape(*slopes, {groups, faces, 3, -1}, "slopes");
    body.slopes = slopes->data();
    body.parameters = slopes->shape(3);
    jacobian.emplace(std::vector<py::ssize_t>{groups, pixels, body.parameters});
  }
  Array<double> t({groups, pixels});
  kernels().chords(body, x.data(), y.data(), pixels, t.mutable_data(),
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

using Electrons = std::pair<Array<double>, std::optional<Array<double>>>;

Electrons expected_electrons(const Array<double>& t, const Array<double>& amplitude, double dose,
                             bool derivative, const Array<double>& film, const Array<double>& waves,
                             double path, double film_path, const std::array<double, 5>& curve,
                             const BandArrays& rows, const BandArrays& columns) {
  require_shape(t, {-1, -1}, "t");
  const std::int64_t height = t.shape(0), width = t.shape(1), n_waves = amplitude.size();
  require_shape(amplitude, {n_waves}, "amplitude");
  require_shape(film, {height, width}, "film");
  require_shape(waves, {height, width, n_waves}, "waves");
  Array<double> electrons({height, width});
  std::optional<Array<double>> by_depth;
  if (derivative) by_depth.emplace(std::vector<py::ssize_t>{height, width});
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
  kernels().expected_electrons(optics, t.data(), electrons.mutable_data(),
                               by_depth ? by_depth->mutable_data() : nullptr);
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
  Array<double> out({height * width, parameters + n_waves + 1});
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

Array<double> misfits(const Array<double>& crossings, const Array<std::uint8_t>& leaves,
                      const Array<double>& x, const Array<double>& y, const Array<double>& film,
                      const Array<double>& scale, const Array<double>& seen, double path,
                      const std::array<double, 5>& curve) {
  require_shape(crossings, {-1, -1, 3}, "crossings");
  const std::int64_t groups = crossings.shape(0), faces = crossings.shape(1), pixels = x.size();
  require_shape(leaves, {groups, faces}, "leaves");
  require_both(leaves);
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
  Array<double> out(groups);
  kernels().misfits({crossings.data(), leaves.data(), nullptr, groups, faces, 0}, image, out.mutable_data());
  return out;
}

}  // namespace

void bind_fit(py::module_& m) {
  m.def("chords", &chords, py::arg("crossings"), py::arg("leaves"), py::arg("x"), py::arg("y"),
        py::arg("slopes") = py::none());
  m.def("misfits", &misfits, py::arg("crossings"), py::arg("leaves"), py::kw_only(), py::arg("x"),
        py::arg("y"), py::arg("film"), py::arg("scale"), py::arg("seen"), py::arg("path"), py::arg("curve"));
  m.def("blur_bands", &blur_bands, py::arg("image"), py::arg("rows"), py::arg("columns"));
  m.def("expected_electrons", &expected_electrons, py::arg("t"), py::arg("amplitude"), py::arg("dose"),
        py::kw_only(), py::arg("derivative"), py::arg("film"), py::arg("waves"), py::arg("path"),
        py::arg("film_path"), py::arg("curve"), py::arg("rows"), py::arg("columns"));
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
