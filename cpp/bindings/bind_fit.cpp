// What fits of solids ask of the core: chords with derivatives, the probe's blur, weighted jacobians.
#include <pybind11/stl.h>

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

Array<double> weighted_jacobian(const Array<double>& slopes, const Array<double>& by_thickness,
                                const Array<double>& waves, const Array<double>& by_film,
                                const Array<double>& electrons, const Array<double>& weight,
                                const BandArrays& rows, const BandArrays& columns) {
  require_shape(slopes, {-1, -1, -1}, "slopes");
  const std::int64_t height = slopes.shape(0), width = slopes.shape(1), parameters = slopes.shape(2);
  require_shape(by_thickness, {height, width}, "by_thickness");
  require_shape(waves, {height, width, -1}, "waves");
  require_shape(by_film, {height, width}, "by_film");
  require_shape(electrons, {height, width}, "electrons");
  require_shape(weight, {height, width}, "weight");
  const std::int64_t n_waves = waves.shape(2);
  Array<double> out({height * width, parameters + n_waves + 1});
  kernels().weighted_jacobian({.slopes = slopes.data(),
                               .by_thickness = by_thickness.data(),
                               .waves = waves.data(),
                               .by_film = by_film.data(),
                               .electrons = electrons.data(),
                               .weight = weight.data(),
                               .along_y = bands(rows, height, "rows"),
                               .along_x = bands(columns, width, "columns"),
                               .rows = height,
                               .columns = width,
                               .parameters = parameters,
                               .n_waves = n_waves},
                              out.mutable_data());
  return out;
}

}  // namespace

void bind_fit(py::module_& m) {
  m.def("chords", &chords, py::arg("crossings"), py::arg("leaves"), py::arg("x"), py::arg("y"),
        py::arg("slopes") = py::none());
  m.def("blur_bands", &blur_bands, py::arg("image"), py::arg("rows"), py::arg("columns"));
  m.def("weighted_jacobian", &weighted_jacobian, py::kw_only(), py::arg("slopes"), py::arg("by_thickness"),
        py::arg("waves"), py::arg("by_film"), py::arg("electrons"), py::arg("weight"), py::arg("rows"),
        py::arg("columns"));
}

}  // namespace stemfast::bindings
