// A layer of a network for images; compiled once per instruction set.
//
// A block of filters times pixels stays in registers while the sum runs over terms, taps and channels, in
// this order for every pixel: the result is the same for all threads and sizes of blocks.
#include "stemfast/convolution.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "stages.hpp"

#if defined(__FMA__)
#include <immintrin.h>
#endif

namespace stemfast {
inline namespace STEMFAST_ISA {
namespace {

// Pixels of a vector register, registers of pixels and filters of a block: as many as there are registers.
#if defined(__AVX512F__)
constexpr int lanes = 16, wide = 2, filters_at_once = 8;
#elif defined(__AVX2__)
constexpr int lanes = 8, wide = 3, filters_at_once = 4;
#else
constexpr int lanes = 4, wide = 3, filters_at_once = 4;
#endif
constexpr std::int64_t chunk_rows = 8;

#if defined(__GNUC__)
typedef float Lanes __attribute__((vector_size(lanes * sizeof(float))));

STEMFAST_INLINE Lanes load(const float* from) {
  Lanes v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
STEMFAST_INLINE void store(float* to, Lanes v) { std::memcpy(to, &v, sizeof v); }
STEMFAST_INLINE Lanes spread(float x) { return x - Lanes{}; }
STEMFAST_INLINE Lanes rectify(Lanes v) { return v > Lanes{} ? v : Lanes{}; }

STEMFAST_INLINE Lanes add_product(Lanes a, Lanes b, Lanes sum) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, sum);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, sum);
#else
  return a * b + sum;
#endif
}
#else
struct Lanes {
  float v[lanes];
};
STEMFAST_INLINE Lanes load(const float* from) {
  Lanes r;
  std::memcpy(r.v, from, sizeof r.v);
  return r;
}
STEMFAST_INLINE void store(float* to, const Lanes& r) { std::memcpy(to, r.v, sizeof r.v); }
STEMFAST_INLINE Lanes spread(float x) {
  Lanes r;
  for (float& one : r.v) one = x;
  return r;
}
STEMFAST_INLINE Lanes rectify(Lanes r) {
  for (float& one : r.v) one = std::max(one, 0.0f);
  return r;
}
STEMFAST_INLINE Lanes add_product(const Lanes& a, const Lanes& b, Lanes sum) {
  for (int i = 0; i < lanes; ++i) sum.v[i] += a.v[i] * b.v[i];
  return sum;
}
#endif

// A term with its kernel as blocks (blocks of filters, taps, channels, filters_at_once).
struct Packed {
  const LayerTerm* term;
  std::int64_t channels = 0, reach = 0;
  std::vector<float> kernel;

  Packed(const LayerTerm& from, std::int64_t filters) : term(&from), reach(from.size / 2) {
    for (const LayerInput& input : from.inputs) channels += input.channels;
    const std::int64_t blocks = (filters + filters_at_once - 1) / filters_at_once;
    const std::int64_t n = from.size * from.size * channels;
    kernel.assign(static_cast<std::size_t>(blocks * n * filters_at_once), 0.0f);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t f = 0; f < filters; ++f) {
        const std::int64_t block = f / filters_at_once, own = f % filters_at_once;
        kernel[static_cast<std::size_t>((block * n + i) * filters_at_once + own)] =
            from.kernel[i * filters + f];
      }
    }
  }
};

// One channel of one row of an input in the output's columns.
void fill_row(const LayerInput& input, std::int64_t row, std::int64_t channel, float* to) {
  const auto line = [&](std::int64_t r) {
    return input.values + (r * input.channels + channel) * input.columns;
  };
  if (input.fit == Fit::same) {
    std::copy_n(line(row), input.columns, to);
  } else if (input.fit == Fit::halved) {
    const float *a = line(2 * row), *b = line(2 * row + 1);
    for (std::int64_t i = 0; i < input.columns / 2; ++i) {
      to[i] = std::max(std::max(a[2 * i], a[2 * i + 1]), std::max(b[2 * i], b[2 * i + 1]));
    }
  } else {
    const float* a = line(row / 2);
    for (std::int64_t i = 0; i < input.columns; ++i) to[2 * i] = to[2 * i + 1] = a[i];
  }
}

// Some rows of a term's inputs as (rows, channels, pitch), with zeros around the image; `reach` columns
// come before the first.
void gather(const Packed& packed, const Layer& layer, std::int64_t first, std::int64_t last,
            std::int64_t pitch, float* to) {
  for (std::int64_t row = first - packed.reach; row < last + packed.reach; ++row) {
    for (const LayerInput& input : packed.term->inputs) {
      for (std::int64_t c = 0; c < input.channels; ++c, to += pitch) {
        std::fill_n(to, pitch, 0.0f);
        if (row >= 0 && row < layer.rows) fill_row(input, row, c, to + packed.reach);
      }
    }
  }
}

// filters_at_once filters of Wide·lanes pixels of row `row` of the gathered ones.
template <int Wide>
STEMFAST_INLINE void add_up(const Packed& packed, const float* gathered, std::int64_t pitch, std::int64_t row,
                            std::int64_t column, std::int64_t block, Lanes (&sum)[filters_at_once][Wide]) {
  const std::int64_t size = packed.term->size, channels = packed.channels;
  const float* weight = packed.kernel.data() + block * size * size * channels * filters_at_once;
  for (std::int64_t i = 0; i < size; ++i) {
    for (std::int64_t j = 0; j < size; ++j) {
      const float* from = gathered + (row + i) * channels * pitch + column + j;
      for (std::int64_t c = 0; c < channels; ++c, from += pitch, weight += filters_at_once) {
        Lanes pixels[Wide];
#pragma GCC unroll 8
        for (int w = 0; w < Wide; ++w) pixels[w] = load(from + w * lanes);
#pragma GCC unroll 8
        for (int f = 0; f < filters_at_once; ++f) {
          const Lanes own = spread(weight[f]);
#pragma GCC unroll 8
          for (int w = 0; w < Wide; ++w) sum[f][w] = add_product(own, pixels[w], sum[f][w]);
        }
      }
    }
  }
}

}  // namespace

void convolve(const Layer& layer, float* out, const Execution& execution) {
  std::vector<Packed> terms;
  for (const LayerTerm& term : layer.terms) terms.emplace_back(term, layer.filters);
  constexpr std::int64_t span = wide * lanes;
  // Room for the last block, which may reach beyond the image.
  const auto pitch_of = [&](const Packed& p) {
    return (layer.columns + span - 1) / span * span + 2 * p.reach;
  };
  std::size_t most = 0;
  std::vector<std::size_t> begins;
  for (const Packed& p : terms) {
    begins.push_back(most);
    most += static_cast<std::size_t>((chunk_rows + 2 * p.reach) * p.channels * pitch_of(p));
  }
  std::vector<std::vector<float>> rooms(static_cast<std::size_t>(execution.n_threads));
  parallel_for(layer.rows, chunk_rows, execution.n_threads, execution.stop,
               [&](int thread, std::int64_t begin, std::int64_t end) {
                 std::vector<float>& room = rooms[static_cast<std::size_t>(thread)];
                 room.resize(most);
                 for (std::size_t t = 0; t < terms.size(); ++t) {
                   gather(terms[t], layer, begin, end, pitch_of(terms[t]), room.data() + begins[t]);
                 }
                 for (std::int64_t block = 0; block * filters_at_once < layer.filters; ++block) {
                   const std::int64_t first = block * filters_at_once;
                   const auto filters = std::min<std::int64_t>(filters_at_once, layer.filters - first);
                   for (std::int64_t row = begin; row < end; ++row) {
                     for (std::int64_t column = 0; column < layer.columns; column += span) {
                       Lanes sum[filters_at_once][wide];
                       for (int f = 0; f < filters_at_once; ++f) {
                         const Lanes bias = spread(f < filters ? layer.bias[first + f] : 0.0f);
                         for (int w = 0; w < wide; ++w) sum[f][w] = bias;
                       }
                       for (std::size_t t = 0; t < terms.size(); ++t) {
                         add_up<wide>(terms[t], room.data() + begins[t], pitch_of(terms[t]), row - begin,
                                      column, block, sum);
                       }
                       const auto n = std::min<std::int64_t>(span, layer.columns - column);
                       for (int f = 0; f < filters; ++f) {
                         float whole[span];
                         for (int w = 0; w < wide; ++w) {
                           store(whole + w * lanes, layer.rectified ? rectify(sum[f][w]) : sum[f][w]);
                         }
                         std::copy_n(whole, n,
                                     out + (row * layer.filters + first + f) * layer.columns + column);
                       }
                     }
                   }
                 }
               });
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
