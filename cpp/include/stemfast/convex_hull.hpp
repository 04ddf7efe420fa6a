// The convex hull of points in a plane, and the distances of lines that touch it on both sides.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace stemfast {

struct HullPoint {
  double x, y;
};

// Twice the area of a triangle, positive where it turns from x towards y.
inline double turn_of(const HullPoint& a, const HullPoint& b, const HullPoint& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

// Corners of the hull, turning from x towards y (Andrew's monotone chain).
inline std::vector<HullPoint> convex_hull(std::vector<HullPoint> points) {
  std::sort(points.begin(), points.end(),
            [](const HullPoint& a, const HullPoint& b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
  std::vector<HullPoint> hull;
  for (int half = 0; half < 2; ++half) {
    const std::size_t first = hull.size();
    for (const HullPoint& point : points) {
      while (hull.size() >= first + 2 && turn_of(hull[hull.size() - 2], hull.back(), point) <= 0.0)
        hull.pop_back();
      hull.push_back(point);
    }
    hull.pop_back();
    std::reverse(points.begin(), points.end());
  }
  return hull;
}

// Smallest and largest distance of two parallel lines that touch a hull on either side: Feret's diameters.
// The smallest lies across one of its sides.
struct Callipers {
  double smallest, largest;
};

inline Callipers callipers_of(const std::vector<HullPoint>& hull) {
  Callipers found{std::numeric_limits<double>::infinity(), 0.0};
  for (std::size_t k = 0; k < hull.size(); ++k) {
    const HullPoint &a = hull[k], &b = hull[(k + 1) % hull.size()];
    const double length = std::hypot(b.x - a.x, b.y - a.y);
    double across = 0.0;
    for (const HullPoint& point : hull) {
      across = std::max(across, turn_of(a, b, point) / length);
      found.largest = std::max(found.largest, std::hypot(point.x - a.x, point.y - a.y));
    }
    found.smallest = std::min(found.smallest, across);
  }
  return found;
}

}  // namespace stemfast
