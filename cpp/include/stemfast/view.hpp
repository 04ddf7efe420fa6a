// A two-dimensional window on somebody else's memory.
#pragma once

#include <cstdint>

namespace stemfast {

template <class T>
struct ImageView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  T* row(std::int64_t i) const { return data + i * columns; }
};

// A half-open range of integers.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool contains(std::int64_t i) const { return begin <= i && i < end; }
  bool empty() const { return end <= begin; }
  std::int64_t size() const { return empty() ? 0 : end - begin; }
};

inline Range intersect(Range a, Range b) {
  return {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

// A whole number as an integer in [low, high]; NaN becomes `low`. Without bounds the conversion of a
// number that an integer cannot hold is undefined, and in practice gives the least integer there is.
inline std::int64_t to_integer(double whole, std::int64_t low, std::int64_t high) {
  const auto least = static_cast<double>(low), most = static_cast<double>(high);
  return static_cast<std::int64_t>(whole > least ? (whole < most ? whole : most) : least);
}

}  // namespace stemfast
