// Isolating a particle of an image: thresholds, the film's plane, its pixels, lines around it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "stemfast/brightness.hpp"
#include "stemfast/central_piece.hpp"
#include "stemfast/clipped_plane.hpp"
#include "stemfast/contour_line.hpp"
#include "stemfast/convex_hull.hpp"
#include "stemfast/distance.hpp"
#include "stemfast/extent.hpp"
#include "stemfast/level_line.hpp"

namespace stemfast::bindings {
namespace {

void require_finite(const Array<double>& image) {
  require(image.size() > 0, "image holds no pixel");
  for (const double value : values(image)) {
    if (!std::isfinite(value)) throw ArgumentError("image holds NaN or infinity, expected finite numbers");
  }
}

double otsu(const Array<double>& image) {
  require_finite(image);
  return otsu_threshold(values(image));
}

std::tuple<double, double> grain(const Array<double>& image, double threshold) {
  require_shape(image, {-1, -1}, "image");
  const Grain found = grain_of(image.data(), image.shape(0), image.shape(1), threshold);
  return {found.response, found.contrast};
}

std::tuple<double, double, double, double> plane_through(const Array<double>& image, const Array<bool>& mask,
                                                         std::int64_t enough, int rounds,
                                                         std::int64_t fewest) {
  require_shape(image, {-1, -1}, "image");
  require_shape(mask, {image.shape(0), image.shape(1)}, "mask");
  require(enough > 0 && rounds > 0, "enough and rounds must be positive");
  require(std::count(mask.data(), mask.data() + mask.size(), true) > 0, "mask holds no pixel");
  const ClippedPlane plane =
      clipped_plane(image.data(), mask.data(), image.shape(0), image.shape(1), {enough, rounds, fewest});
  return {plane.height, plane.along_rows, plane.along_columns, plane.sigma};
}

std::tuple<Array<bool>, std::int64_t> extent(const Array<double>& above, const Array<bool>& own,
                                             const Array<bool>& mine, const Array<double>& beyond,
                                             const Array<double>& levels, double limit, double most_leaks) {
  require_shape(above, {-1, -1}, "above");
  for (const auto& [mask, name] : {std::pair{&own, "own"}, std::pair{&mine, "mine"}}) {
    require_shape(*mask, {above.shape(0), above.shape(1)}, name);
  }
  require_shape(beyond, {above.shape(0), above.shape(1)}, "beyond");
  require_shape(levels, {-1}, "levels");
  Array<bool> mask({above.shape(0), above.shape(1)});
  const std::int64_t level =
      extent_of({above.shape(0), above.shape(1)}, above.data(), own.data(), mine.data(), beyond.data(),
                values(levels), {limit, most_leaks}, mask.mutable_data());
  return {mask, level};
}

Array<bool> central_piece(const Array<bool>& mask, std::int64_t fewest) {
  require_shape(mask, {-1, -1}, "mask");
  Array<bool> piece({mask.shape(0), mask.shape(1)});
  std::copy_n(mask.data(), mask.size(), piece.mutable_data());
  keep_central_piece({mask.shape(0), mask.shape(1)}, fewest, piece.mutable_data());
  return piece;
}

std::vector<LinePoint> largest_line(const Array<double>& image, double level) {
  require_shape(image, {-1, -1}, "image");
  require(level >= 0.0, "level must not be negative, got " + std::to_string(level));
  return LevelLines(image.data(), image.shape(0), image.shape(1), level).largest();
}

// x and y of each point.
Array<double> as_array(const std::vector<LinePoint>& line) {
  Array<double> points({static_cast<std::int64_t>(line.size()), std::int64_t{2}});
  double* to = points.mutable_data();
  for (const LinePoint& point : line) {
    *to++ = point.column;
    *to++ = point.row;
  }
  return points;
}

Array<double> level_line(const Array<double>& image, double level) {
  return as_array(largest_line(image, level));
}

// Points of the level line, their slopes and distances from a mask, and the line's length.
std::tuple<Array<double>, Array<double>, Array<double>, double> even_level_line(
    const Array<double>& image, double level, const Array<double>& smooth, const Array<bool>& foreign,
    double spacing, std::int64_t fewest, std::int64_t most) {
  const std::vector<LinePoint> line = largest_line(image, level);
  const std::int64_t rows = image.shape(0), columns = image.shape(1);
  require_shape(smooth, {rows, columns}, "smooth");
  require_shape(foreign, {rows, columns}, "foreign");
  require(spacing > 0.0 && 3 <= fewest && fewest <= most,
          "spacing, fewest and most must be positive and in order");
  const EvenLine even = line.empty() ? EvenLine{} : sampled_evenly(line, {spacing, fewest, most});
  const auto n = static_cast<std::int64_t>(even.points.size());
  Array<double> slopes(n), away(n);
  std::vector<double> distance(static_cast<std::size_t>(rows * columns));
  distance_to(foreign.data(), rows, columns, distance.data());
  const bool alone =
      std::none_of(foreign.data(), foreign.data() + foreign.size(), [](bool one) { return one; });
  for (std::int64_t i = 0; i < n; ++i) {
    const LinePoint point = even.points[static_cast<std::size_t>(i)];
    slopes.mutable_data()[i] = slope_at(smooth.data(), rows, columns, point);
    const auto value = [&](std::int64_t r, std::int64_t c) {
      return distance[static_cast<std::size_t>(r * columns + c)];
    };
    away.mutable_data()[i] =
        alone ? std::numeric_limits<double>::infinity() : between_pixels(point, rows, columns, value);
  }
  return {as_array(even.points), slopes, away, even.length};
}

std::vector<HullPoint> hull_of(const Array<double>& points) {
  require_shape(points, {-1, 2}, "points");
  require(points.shape(0) >= 3, "expected three points or more, got " + std::to_string(points.shape(0)));
  std::vector<HullPoint> all;
  for (std::int64_t i = 0; i < points.shape(0); ++i) {
    all.push_back({points.data()[2 * i], points.data()[2 * i + 1]});
  }
  return convex_hull(std::move(all));
}

Array<double> hull_corners(const Array<double>& points) {
  const std::vector<HullPoint> hull = hull_of(points);
  Array<double> corners({static_cast<std::int64_t>(hull.size()), std::int64_t{2}});
  double* to = corners.mutable_data();
  for (const HullPoint& corner : hull) {
    *to++ = corner.x;
    *to++ = corner.y;
  }
  return corners;
}

std::tuple<double, double> callipers(const Array<double>& points) {
  const Callipers found = callipers_of(hull_of(points));
  return {found.smallest, found.largest};
}

}  // namespace

void bind_isolation(py::module_& m) {
  m.def("otsu_threshold", &otsu, py::arg("image"));
  m.def("grain", &grain, py::arg("image"), py::arg("threshold"));
  m.def("clipped_plane", &plane_through, py::arg("image"), py::arg("mask"), py::kw_only(), py::arg("enough"),
        py::arg("rounds"), py::arg("fewest"));
  m.def("extent", &extent, py::arg("above"), py::arg("own"), py::arg("mine"), py::arg("beyond"),
        py::arg("levels"), py::kw_only(), py::arg("limit"), py::arg("most_leaks"));
  m.def("central_piece", &central_piece, py::arg("mask"), py::kw_only(), py::arg("fewest"));
  m.def("level_line", &level_line, py::arg("image"), py::arg("level"));
  m.def("even_level_line", &even_level_line, py::arg("image"), py::arg("level"), py::arg("smooth"),
        py::arg("foreign"), py::kw_only(), py::arg("spacing"), py::arg("fewest"), py::arg("most"));
  m.def("convex_hull", &hull_corners, py::arg("points"));
  m.def("callipers", &callipers, py::arg("points"));
}

}  // namespace stemfast::bindings
