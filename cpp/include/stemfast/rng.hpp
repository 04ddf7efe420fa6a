// Counter-based random numbers: Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC'11). The key is the seed; the counter says which image, which stage and which number.
// A number is thus a pure function of what it is for, never of threads, batches or call order.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "stemfast/elementary.hpp"
#include "stemfast/isa.hpp"

namespace stemfast {

// What a random number is for. Recipes count from `recipe` upwards.
enum class Stage : std::uint32_t {
  dose = 1,
  read_noise = 2,
  orientation = 3,
  row_jitter = 4,
  film = 5,
  excess_noise = 8,
  recipe = 256,
};

inline namespace STEMFAST_ISA {

using Words = std::array<std::uint32_t, 4>;

inline constexpr std::uint32_t philox_multiplier0 = 0xD2511F53u, philox_multiplier1 = 0xCD9E8D57u;
inline constexpr std::uint32_t philox_weyl0 = 0x9E3779B9u, philox_weyl1 = 0xBB67AE85u;

inline Words philox(Words counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{philox_multiplier0} * counter[0];
    const std::uint64_t p1 = std::uint64_t{philox_multiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(p0)};
    key0 += philox_weyl0;
    key1 += philox_weyl1;
  }
  return counter;
}

// Two words to 53 random bits in [0, 1).
inline double unit_interval(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32 | low) >> 11;
  return static_cast<double>(bits) * 0x1.0p-53;
}

// The same on (0, 1), for where a logarithm follows.
inline double open_interval(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32 | low) >> 12;
  return (static_cast<double>(bits) + 0.5) * 0x1.0p-52;
}

// The random blocks of one stage of one image: block(item, attempt) for item < 2^32 (a pixel, say)
// and attempt < 2^16 (where one block is not enough).
//
// Frames of one image have streams of their own: the frame's number takes the image index's top 16 bits.
inline std::uint64_t frame_of_image(std::uint64_t image, std::uint64_t frame) { return image | frame << 48; }

class Stream {
 public:
  Stream(std::uint64_t seed, std::uint64_t image, std::uint32_t stage)
      : key0_(static_cast<std::uint32_t>(seed)),
        key1_(static_cast<std::uint32_t>(seed >> 32)),
        image_low_(static_cast<std::uint32_t>(image)),
        image_high_(static_cast<std::uint32_t>(image >> 32)),
        stage_(stage) {}

  Words counter(std::uint32_t item, std::uint32_t attempt = 0) const {
    return {item, (stage_ << 16) | attempt, image_low_, image_high_};
  }
  std::array<std::uint32_t, 2> key() const { return {key0_, key1_}; }

  Words block(std::uint32_t item, std::uint32_t attempt = 0) const {
    return philox(counter(item, attempt), key0_, key1_);
  }

 private:
  std::uint32_t key0_, key1_, image_low_, image_high_, stage_;
};

// Sixteen blocks at once, of `counter` and the fifteen items after it: word w of block l is words[16·w + l].
// Vector code then needs no shuffling. Each 32-bit number sits in 64 bits, which is how vector units
// multiply it whole.
inline void sixteen_blocks(const Words& counter, const std::array<std::uint32_t, 2>& key,
                           std::uint32_t* words) {
  constexpr int blocks = 16;
  constexpr std::uint64_t low = 0xffffffffu;
  std::uint64_t a[blocks], b[blocks], c[blocks], d[blocks];
  for (int l = 0; l < blocks; ++l) {
    a[l] = counter[0] + static_cast<std::uint32_t>(l);
    b[l] = counter[1];
    c[l] = counter[2];
    d[l] = counter[3];
  }
  auto [key0, key1] = key;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t k0 = key0, k1 = key1;
    for (int l = 0; l < blocks; ++l) {
      const std::uint64_t p = philox_multiplier0 * (a[l] & low), q = philox_multiplier1 * (c[l] & low);
      a[l] = (q >> 32) ^ b[l] ^ k0;
      b[l] = q & low;
      c[l] = (p >> 32) ^ d[l] ^ k1;
      d[l] = p & low;
    }
    key0 += philox_weyl0;
    key1 += philox_weyl1;
  }
  for (int l = 0; l < blocks; ++l) {
    words[l] = static_cast<std::uint32_t>(a[l]);
    words[blocks + l] = static_cast<std::uint32_t>(b[l]);
    words[2 * blocks + l] = static_cast<std::uint32_t>(c[l]);
    words[3 * blocks + l] = static_cast<std::uint32_t>(d[l]);
  }
}

// Two independent standard normal numbers from two uniform ones (Box and Muller 1958).
inline std::array<double, 2> normal_pair(const Words& words) {
  const double radius = std::sqrt(-2.0 * logarithm(open_interval(words[0], words[1])));
  const SinCos turn = sin_cos_turns(unit_interval(words[2], words[3]));
  return {radius * turn.cosine, radius * turn.sine};
}

inline double standard_normal(const Words& words) { return normal_pair(words)[0]; }

}  // namespace STEMFAST_ISA
}  // namespace stemfast
