// Picks the copy of the stages that suits the processor, when the module loads.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "stemfast/error.hpp"
#include "stemfast/kernels.hpp"
#include "stemfast/x86_level.hpp"

#if defined(STEMFAST_HAS_v2)
#include <cpuid.h>
#endif

namespace stemfast {

#if defined(STEMFAST_HAS_plain)
namespace isa_plain {
extern const Kernels table;
}
#endif
#if defined(STEMFAST_HAS_v2)
namespace isa_v2 {
extern const Kernels table;
}
namespace isa_v3 {
extern const Kernels table;
}
namespace isa_v4 {
extern const Kernels table;
}
#endif

const std::vector<const Kernels*>& compiled_kernels() {
  static const std::vector<const Kernels*> tables = {
#if defined(STEMFAST_HAS_plain)
      &isa_plain::table,
#endif
#if defined(STEMFAST_HAS_v2)
      &isa_v2::table,
      &isa_v3::table,
      &isa_v4::table,
#endif
  };
  return tables;
}

#if defined(STEMFAST_HAS_v2)
namespace {

ProcessorWords processor_words() {
  constexpr std::uint32_t osxsave = 1u << 27;
  ProcessorWords words;
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) words.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) words.leaf7_ebx = ebx;
  if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0) words.leaf80000001_ecx = ecx;
  if ((words.leaf1_ecx & osxsave) != 0) __asm__("xgetbv" : "=a"(words.xcr0), "=d"(edx) : "c"(0));
#if defined(__APPLE__)
  words.xcr0 |= 0xe0;  // macOS turns the AVX-512 state on when it is first used
#endif
  return words;
}

}  // namespace
#endif

bool processor_runs(const std::string& name) {
#if defined(STEMFAST_HAS_v2)
  static const int level = x86_level(processor_words());
  if (name == "v2") return level >= 2;
  if (name == "v3") return level >= 3;
  if (name == "v4") return level >= 4;
#endif
  return name == "plain";
}

namespace {

const Kernels& pick() {
  std::string names;
  for (const Kernels* k : compiled_kernels()) names += (names.empty() ? "" : ", ") + std::string(k->name);
  const char* wish = std::getenv("STEMFAST_ISA");
  if (wish != nullptr && *wish != '\0') {
    for (const Kernels* k : compiled_kernels()) {
      if (wish != std::string(k->name)) continue;
      require(processor_runs(wish), "STEMFAST_ISA=" + std::string(wish) +
                                        ": this processor lacks those instructions (compiled in: " + names +
                                        ")");
      return *k;
    }
    throw ArgumentError("STEMFAST_ISA=" + std::string(wish) + " is not one of " + names);
  }
  const Kernels* best = nullptr;
  for (const Kernels* k : compiled_kernels()) {
    if (processor_runs(k->name)) best = k;
  }
  require(best != nullptr, "this processor runs none of the compiled instruction sets: " + names);
  return *best;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& picked = pick();
  return picked;
}

}  // namespace stemfast
