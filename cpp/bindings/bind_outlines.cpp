// Outlines of found particles: masks, distances, polygons.
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "stemfast/distance.hpp"
#include "stemfast/polygon_edges.hpp"
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

// Of pixels at distances inwards of a rim.
std::vector<EdgePixel> edge_pixels(const Array<double>& inwards, const Array<double>& brightness) {
  require_shape(inwards, {-1}, "inwards");
  require_shape(brightness, {inwards.shape(0)}, "brightness");
  std::vector<EdgePixel> pixels;
  for (std::int64_t i = 0; i < inwards.shape(0); ++i) {
    pixels.push_back({inwards.data()[i], brightness.data()[i]});
  }
  return pixels;
}

// A window of an image and a polygon in it, checked.
struct Drawn {
  EdgeWindow window;
  std::vector<EdgePoint> corners;

  Drawn(const Array<double>& signal, const Array<bool>& foreign, const Array<double>& outline) {
    require_shape(signal, {-1, -1}, "signal");
    require_shape(foreign, {signal.shape(0), signal.shape(1)}, "foreign");
    require_shape(outline, {-1, 2}, "corners");
    require(outline.shape(0) >= 3, "expected three corners or more, got " + std::to_string(outline.shape(0)));
    window = {signal.data(), foreign.data(), signal.shape(0), signal.shape(1)};
    for (std::int64_t k = 0; k < outline.shape(0); ++k) {
      corners.push_back({outline.data()[2 * k], outline.data()[2 * k + 1]});
    }
  }
};

constexpr double widest_blur_px = 1e3;

void require_width(double width_px) {
  require(width_px >= 0.0 && width_px <= widest_blur_px,
          "the blur's width must lie between 0 and 1000 px, got " + std::to_string(width_px));
}

void require_widths(const Array<double>& widths_px) {
  require_shape(widths_px, {-1}, "widths_px");
  require(widths_px.size() > 0, "expected a width of the blur or more, got none");
  for (const double width : values(widths_px)) require_width(width);
}

Array<double> side_places(const Array<double>& signal, const Array<bool>& foreign,
                          const Array<double>& corners, double blur_px, const EdgeNoise& noise) {
  const Drawn drawn(signal, foreign, corners);
  require_width(blur_px);
  Array<double> places({corners.shape(0), std::int64_t{5}});
  double* to = places.mutable_data();
  const py::gil_scoped_release unlocked;
  each_side(drawn.window, drawn.corners, noise, std::max(1.0, blur_px),
            [to, blur_px](std::size_t k, const std::optional<EdgeProfile>& profile) {
              const EdgePlace place = place_of(profile, blur_px);
              const std::array<double, 5> row{place.shift, place.sd, place.steep_shift, place.steep_sd,
                                              place.odds};
              std::copy(row.begin(), row.end(), to + 5 * k);
            });
  return places;
}

std::tuple<double, double> rim_place(const Array<double>& inwards, const Array<double>& brightness,
                                     double blur_px, double radius, const EdgeNoise& noise) {
  const std::vector<EdgePixel> pixels = edge_pixels(inwards, brightness);
  require_width(blur_px);
  const EdgePlace place =
      place_of(EdgeProfile::of(pixels, noise, radius, std::max(1.0, blur_px), true), blur_px);
  return {place.shift, place.sd};
}

Array<double> side_evidence(const Array<double>& signal, const Array<bool>& foreign,
                            const Array<double>& corners, const Array<double>& widths_px,
                            const EdgeNoise& noise, double wide, double steep_share) {
  const Drawn drawn(signal, foreign, corners);
  require_widths(widths_px);
  require_width(wide);
  const auto n = static_cast<std::size_t>(widths_px.size());
  Array<double> evidence({std::int64_t{2}, widths_px.shape(0)});
  std::fill_n(evidence.mutable_data(), 2 * n, 0.0);
  const std::span<double> free{evidence.mutable_data(), n}, steep{evidence.mutable_data() + n, n};
  const std::span<const double> widths = values(widths_px);
  const py::gil_scoped_release unlocked;
  each_side(drawn.window, drawn.corners, noise, wide,
            [&](std::size_t, const std::optional<EdgeProfile>& profile) {
              if (profile) add_evidence(*profile, widths, steep_share, free, steep);
            });
  return evidence;
}

Array<double> rim_evidence(const Array<double>& inwards, const Array<double>& brightness,
                           const Array<double>& widths_px, const EdgeNoise& noise, double wide,
                           double radius) {
  const std::vector<EdgePixel> pixels = edge_pixels(inwards, brightness);
  require_widths(widths_px);
  require_width(wide);
  const auto n = static_cast<std::size_t>(widths_px.size());
  Array<double> evidence(widths_px.shape(0));
  std::fill_n(evidence.mutable_data(), n, 0.0);
  std::vector<double> steep(n);
  if (const auto profile = EdgeProfile::of(pixels, noise, radius, wide, true)) {
    add_evidence(*profile, values(widths_px), 0.0, {evidence.mutable_data(), n}, steep);
  }
  return evidence;
}

}  // namespace

void bind_outlines(py::module_& m) {
  m.def("star_mask", &star_mask_of, py::arg("row"), py::arg("column"), py::arg("radii"), py::kw_only(),
        py::arg("rows"), py::arg("columns"));
  m.def("distances", &distances, py::arg("mask"));
  m.def("fit_polygon", &fit_polygon, py::arg("points"), py::arg("weight"), py::kw_only(), py::arg("trim"),
        py::arg("shortest"), py::arg("price"));
  py::class_<EdgeNoise>(m, "EdgeNoise")
      .def(py::init<double, double, double, double>(), py::kw_only(), py::arg("film"), py::arg("pixel"),
           py::arg("smoothing_px"), py::arg("bright"));
  m.def("side_places", &side_places, py::arg("signal"), py::arg("foreign"), py::arg("corners"),
        py::arg("blur_px"), py::arg("noise"));
  m.def("rim_place", &rim_place, py::arg("inwards"), py::arg("brightness"), py::arg("blur_px"),
        py::arg("radius"), py::arg("noise"));
  m.def("side_evidence", &side_evidence, py::arg("signal"), py::arg("foreign"), py::arg("corners"),
        py::arg("widths_px"), py::arg("noise"), py::kw_only(), py::arg("wide"), py::arg("steep_share"));
  m.def("rim_evidence", &rim_evidence, py::arg("inwards"), py::arg("brightness"), py::arg("widths_px"),
        py::arg("noise"), py::kw_only(), py::arg("wide"), py::arg("radius"));
}

}  // namespace stemfast::bindings
