// Outlines of found particles: masks, distances, polygons.
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "stemfast/distance.hpp"
#include "stemfast/polygon_fit.hpp"
#include "stemfast/star.hpp"

namespace stemfast::bindings {
namespace {

Array<bool> star_mask_of(double row, double column, const Array<double>& radii, std::int64_t rows,
                         std::int64_t columns) {
  require_shape(radii, {-1}, "radii");
  require(radii.size() >= 3, "expected three radii or more, got " + std::to_string(radii.size()));
  for (const double r : values(radii)) {
    if (!(r >= 0.0 && r < 1e9)) throw ArgumentError("radii must not be negative, got " + std::to_string(r));
  }
  require(rows >= 0 && columns >= 0, "rows and columns must not be negative");
  Array<bool> inside({rows, columns});
  star_mask(row, column, values(radii), rows, columns, inside.mutable_data());
  return inside;
}

Array<double> distances(const Array<bool>& mask) {
  require_shape(mask, {-1, -1}, "mask");
  Array<double> out({mask.shape(0), mask.shape(1)});
  distance_to(mask.data(), mask.shape(0), mask.shape(1), out.mutable_data());
  return out;
}

std::tuple<Array<std::int64_t>, Array<double>> fit_polygon(const Array<double>& points,
                                                           const Array<double>& weight, std::int64_t trim,
                                                           std::int64_t shortest, double price) {
  require_shape(points, {-1, 2}, "points");
  const std::int64_t n = points.shape(0);
  require_shape(weight, {n}, "weight");
  require(n >= 3, "expected three points or more, got " + std::to_string(n));
  require(trim >= 1 && shortest >= 2 * trim, "trim must be positive and shortest at least twice that, got " +
                                                 std::to_string(trim) + " and " + std::to_string(shortest));
  std::vector<WeightedPoint> contour;
  for (std::int64_t i = 0; i < n; ++i) {
    contour.push_back({points.data()[2 * i], points.data()[2 * i + 1], weight.data()[i]});
  }
  const PolygonFit fit(contour, trim, shortest, price);
  const auto first = fit.corners(0);
  // A second round starts at a corner that the first has found, not at a guess.
  const std::int64_t start = first[first.size() / 2];
  const auto corners = fit.corners(start);
  const auto m = static_cast<std::int64_t>(corners.size());
  Array<std::int64_t> begins(m);
  Array<double> sides({m, std::int64_t{4}});
  for (std::int64_t s = 0; s < m; ++s) {
    const std::int64_t own = corners[static_cast<std::size_t>(s)];
    const std::int64_t next = s + 1 < m ? corners[static_cast<std::size_t>(s + 1)] : corners[0] + n;
    begins.mutable_data()[s] = (start + own) % n;
    const FittedSide side = fit.side((start + own) % n, next - own);
    double* to = sides.mutable_data() + 4 * s;
    to[0] = side.x;
    to[1] = side.y;
    to[2] = side.angle;
    to[3] = side.cost;
  }
  return {begins, sides};
}

}  // namespace

void bind_outlines(py::module_& m) {
  m.def("star_mask", &star_mask_of, py::arg("row"), py::arg("column"), py::arg("radii"), py::kw_only(),
        py::arg("rows"), py::arg("columns"));
  m.def("distances", &distances, py::arg("mask"));
  m.def("fit_polygon", &fit_polygon, py::arg("points"), py::arg("weight"), py::kw_only(), py::arg("trim"),
        py::arg("shortest"), py::arg("price"));
}

}  // namespace stemfast::bindings
