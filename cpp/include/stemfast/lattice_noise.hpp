// White noise on the nodes of a square lattice, smoothed a little: one octave of a rough surface.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "stemfast/isa.hpp"
#include "stemfast/rng.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

// A rectangle of nodes, stored column by column (x), y running fastest.
struct Nodes {
  Range x, y;

  std::int64_t size() const { return x.size() * y.size(); }
  // The nodes of the next coarser lattice that these are refined from.
  Nodes parents() const {
    return {{(x.begin >> 1) - 1, ((x.end - 1) >> 1) + 2}, {(y.begin >> 1) - 1, ((y.end - 1) >> 1) + 2}};
  }
};

// Scratch space only grows: shrinking it and growing it again would fill it with zeros each time.
inline void make_room(std::vector<float>& scratch, std::int64_t n) {
  if (scratch.size() < static_cast<std::size_t>(n)) scratch.resize(static_cast<std::size_t>(n));
}

// Nodes are counted from −2^20 in y, and in x from −2^20 groups of four.
inline constexpr std::int64_t node_limit = std::int64_t{1} << 20;

// The attempt (see Stream) of the one block that sets the origin: no lattice has this number.
inline constexpr std::uint32_t origin_attempt = 63u << 10;

class LatticeNoise {
 public:
  void set(const Stream& stream) { stream_ = stream; }

  // Noise of the lattice with spacing 2^exponent nm: `amplitude`, smoothed by (0.19, 0.62, 0.19) in x and
  // y, and `sharp_amplitude`, of other numbers, sharpened by (−1/8, 5/4, −1/8) against what
  // interpolation will smooth.
  void draw(const Nodes& nodes, int exponent, float amplitude, float sharp_amplitude) {
    nodes_ = nodes;
    has_sharp_ = sharp_amplitude > 0.0f;
    const std::int64_t height = nodes.y.size();
    const Range x{nodes.x.begin - 1, nodes.x.end + 1};  // a margin for the filters along x
    make_room(smooth_, x.size() * height);
    if (has_sharp_) make_room(sharp_, x.size() * height);
    pitch_ = (height + 2 + lanes - 1) / lanes * lanes;
    make_room(raw_, 4 * pitch_);
    make_room(raw_sharp_, 4 * pitch_);
    for (std::int64_t quad = x.begin >> 2; 4 * quad < x.end; ++quad) {
      draw_four_columns(quad, exponent, amplitude, sharp_amplitude);
      for (std::int64_t w = 0; w < 4; ++w) {
        const std::int64_t n = 4 * quad + w;
        if (!x.contains(n)) continue;
        const std::int64_t at = (n - x.begin) * height;
        filter_along_y(&raw_[static_cast<std::size_t>(w * pitch_)], 0.19f, 0.62f, height, &smooth_[at]);
        if (!has_sharp_) continue;
        filter_along_y(&raw_sharp_[static_cast<std::size_t>(w * pitch_)], -0.125f, 1.25f, height,
                       &sharp_[at]);
      }
    }
  }

  // Column n of the result.
  void column(std::int64_t n, float* out) const {
    const std::int64_t height = nodes_.y.size(), at = (n - nodes_.x.begin) * height;
    const float *before = &smooth_[at], *here = before + height, *after = here + height;
    for (std::int64_t i = 0; i < height; ++i) out[i] = 0.19f * (before[i] + after[i]) + 0.62f * here[i];
    if (!has_sharp_) return;
    before = &sharp_[at], here = before + height, after = here + height;
    for (std::int64_t i = 0; i < height; ++i) out[i] += 1.25f * here[i] - 0.125f * (before[i] + after[i]);
  }

 private:
  static constexpr std::int64_t lanes = 16;

  static void filter_along_y(const float* raw, float side, float middle, std::int64_t height, float* out) {
    for (std::int64_t i = 0; i < height; ++i) out[i] = side * (raw[i] + raw[i + 2]) + middle * raw[i + 1];
  }

  // Columns 4·quad … 4·quad + 3, from one node before the rectangle on. The words of a block are four
  // neighbours in x, so that blocks side by side in y fill vectors without shuffling.
  //
  // Three bytes of a word add up to noise that a cubic gives variance 1 and kurtosis 3, those of a normal
  // number; the smoothing does the rest. The fourth byte is the sharp noise.
  void draw_four_columns(std::int64_t quad, int exponent, float amplitude, float sharp_amplitude) {
    constexpr float linear = 7.20742234e-3f, cubic = 1.39695180e-8f, flat = 1.35317502e-2f;
    const std::uint64_t counted_x = static_cast<std::uint64_t>(quad + node_limit);
    const auto level = static_cast<std::uint32_t>(exponent + 32);
    const auto attempt = level << 10 | static_cast<std::uint32_t>(counted_x >> 11);
    const auto x_bits = static_cast<std::uint32_t>(counted_x & 0x7ff) << 21;
    const float a = amplitude * linear, b = amplitude * cubic, c = sharp_amplitude * flat;
    for (std::int64_t begin = 0; begin < pitch_; begin += lanes) {
      std::uint32_t words[4 * lanes];
      const std::int64_t y = nodes_.y.begin - 1 + begin + node_limit;
      sixteen_blocks(stream_.counter(x_bits + static_cast<std::uint32_t>(y), attempt), stream_.key(), words);
      for (std::int64_t w = 0; w < 4; ++w) {
        const std::uint32_t* word = words + lanes * w;
        float* smooth = &raw_[static_cast<std::size_t>(w * pitch_ + begin)];
        for (std::int64_t l = 0; l < lanes; ++l) {
          const std::uint32_t sum = (word[l] & 255u) + (word[l] >> 8 & 255u) + (word[l] >> 16 & 255u);
          const float n = static_cast<float>(static_cast<std::int32_t>(sum)) - 382.5f;
          smooth[l] = n * (a + b * (n * n));
        }
        if (!has_sharp_) continue;
        float* sharp = &raw_sharp_[static_cast<std::size_t>(w * pitch_ + begin)];
        for (std::int64_t l = 0; l < lanes; ++l) {
          sharp[l] = c * (static_cast<float>(static_cast<std::int32_t>(word[l] >> 24)) - 127.5f);
        }
      }
    }
  }

  Stream stream_{0, 0, 0};
  Nodes nodes_{};
  bool has_sharp_ = false;
  std::int64_t pitch_ = 0;
  std::vector<float> raw_, raw_sharp_, smooth_, sharp_;
};

}  // namespace STEMFAST_ISA
}  // namespace stemfast
