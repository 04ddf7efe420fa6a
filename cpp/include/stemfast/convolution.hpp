// One layer of a network for images: a sum of convolutions, a bias, a rectifier.
#pragma once

#include <cstdint>
#include <span>

namespace stemfast {

// How an input's rows and columns become those of the output: the same, the largest of each 2 × 2 of
// them, or each of them four times.
enum class Fit : std::uint8_t { same, halved, doubled };

// Float (rows, channels, columns): a row's channels lie one after the other, so that neighbouring
// pixels are neighbours in memory and a channel needs no transposition.
struct LayerInput {
  const float* values;
  std::int64_t rows, channels, columns;
  Fit fit;
};

// A convolution of some inputs, their channels one after the other, with zeros around them.
struct LayerTerm {
  std::span<const LayerInput> inputs;
  std::int64_t size;    // of the kernel along a side, odd
  const float* kernel;  // (size, size, channels of all inputs, filters)
};

struct Layer {
  std::span<const LayerTerm> terms;
  const float* bias;  // (filters)
  bool rectified;     // negative outputs become 0
  std::int64_t rows, filters, columns;
};

}  // namespace stemfast
