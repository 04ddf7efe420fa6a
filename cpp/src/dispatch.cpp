// Picks the copy of the stages that suits the processor, when the module loads.
#include <cstdlib>
#include <string>
#include <vector>

#include "stemfast/error.hpp"
#include "stemfast/kernels.hpp"

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

bool processor_runs(const std::string& name) {
#if defined(STEMFAST_HAS_v2)
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (name == "v2") return v2;
  if (name == "v3") return v3;
  if (name == "v4") return v4;
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
