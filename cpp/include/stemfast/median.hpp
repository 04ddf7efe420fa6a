// The median, as NumPy has it: of an even number of values the mean of the middle two.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace stemfast {

// Of finite numbers, whose order is lost; NaN of none.
inline double median(std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2.0;
}

}  // namespace stemfast
