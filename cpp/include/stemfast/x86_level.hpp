// The x86-64 micro-architecture level that a processor's CPUID words amount to, as the psABI defines it.
#pragma once

#include <cstdint>

namespace stemfast {

// Registers of CPUID, and XCR0: the register states that the operating system saves.
struct ProcessorWords {
  std::uint32_t leaf1_ecx = 0;
  std::uint32_t leaf7_ebx = 0;
  std::uint32_t leaf80000001_ecx = 0;
  std::uint32_t xcr0 = 0;
};

// The highest level of which the processor has every feature and the system saves every register: 1 to 4.
constexpr int x86_level(const ProcessorWords& words) {
  constexpr auto bits = [](auto... numbers) { return ((std::uint32_t{1} << numbers) | ...); };
  const auto has = [](std::uint32_t word, std::uint32_t all) { return (word & all) == all; };

  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF-SAHF
  if (!has(words.leaf1_ecx, bits(0, 9, 13, 19, 20, 23))) return 1;
  if (!has(words.leaf80000001_ecx, bits(0))) return 1;
  // FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT; XMM and YMM state
  if (!has(words.leaf1_ecx, bits(12, 22, 27, 28, 29))) return 2;
  if (!has(words.leaf7_ebx, bits(3, 5, 8)) || !has(words.leaf80000001_ecx, bits(5))) return 2;
  if (!has(words.xcr0, bits(1, 2))) return 2;
  // AVX512F, AVX512DQ, AVX512CD, AVX512BW, AVX512VL; opmask state, both halves of the ZMM state
  if (!has(words.leaf7_ebx, bits(16, 17, 28, 30, 31)) || !has(words.xcr0, bits(5, 6, 7))) return 3;
  return 4;
}

}  // namespace stemfast
