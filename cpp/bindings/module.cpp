// stemfast._core: table of contents.
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "stemfast/x86_level.hpp"

namespace stemfast::bindings {
namespace {

py::dict info() {
  py::list compiled, runnable;
  for (const Kernels* k : compiled_kernels()) {
    compiled.append(k->name);
    if (processor_runs(k->name)) runnable.append(k->name);
  }
  py::dict d;
  d["instruction_set"] = kernels().name;
  d["compiled"] = compiled;
  d["runnable"] = runnable;
  d["threads"] = available_threads();
#if defined(STEMFAST_HAS_OPENMP)
  d["threading"] = "OpenMP";
#else
  d["threading"] = "std::thread";
#endif
#if defined(__VERSION__)
  d["compiler"] = __VERSION__;
#else
  d["compiler"] = "unknown";
#endif
  return d;
}

}  // namespace
}  // namespace stemfast::bindings

PYBIND11_MODULE(_core, m) {
  namespace py = pybind11;
  m.doc() = "stemfast's C++ core; use it through the stemfast package.";
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const stemfast::Interrupted&) {
      // PyErr_CheckSignals has left KeyboardInterrupt pending; without one this is its stand-in.
      if (PyErr_Occurred() == nullptr) PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
  });
  stemfast::kernels();  // a wrong STEMFAST_ISA stops the import, not the first image
  m.def("info", &stemfast::bindings::info,
        "Instruction set in use, those compiled in and runnable here, threads, compiler.");
  m.def(
      "x86_level",
      [](std::uint32_t leaf1_ecx, std::uint32_t leaf7_ebx, std::uint32_t leaf80000001_ecx,
         std::uint32_t xcr0) {
        return stemfast::x86_level({.leaf1_ecx = leaf1_ecx,
                                    .leaf7_ebx = leaf7_ebx,
                                    .leaf80000001_ecx = leaf80000001_ecx,
                                    .xcr0 = xcr0});
      },
      py::kw_only(), py::arg("leaf1_ecx"), py::arg("leaf7_ebx"), py::arg("leaf80000001_ecx"), py::arg("xcr0"),
      "The x86-64 level, 1 to 4, of a processor with these CPUID words.");
  stemfast::bindings::bind_fit(m);
  stemfast::bindings::bind_gather(m);
  stemfast::bindings::bind_isolation(m);
  stemfast::bindings::bind_networks(m);
  stemfast::bindings::bind_outlines(m);
  stemfast::bindings::bind_render(m);
  stemfast::bindings::bind_stages(m);
}
