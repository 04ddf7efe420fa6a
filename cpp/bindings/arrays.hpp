// NumPy arrays in and out of the core, checked once at the boundary.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "stemfast/error.hpp"
#include "stemfast/kernels.hpp"

namespace stemfast::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline std::string shape_text(const py::array& a) {
  std::string text = "(";
  for (py::ssize_t d = 0; d < a.ndim(); ++d) {
    text += (d != 0 ? ", " : "") + std::to_string(a.shape(d));
  }
  return text + ")";
}

// Throws unless the array has this shape; −1 stands for any length.
inline void require_shape(const py::array& a, std::initializer_list<std::int64_t> shape, const char* name) {
  const bool same = std::equal(shape.begin(), shape.end(), a.shape(), a.shape() + a.ndim(),
                               [](std::int64_t n, py::ssize_t own) { return n < 0 || n == own; });
  if (same) return;
  std::string expected;
  for (const std::int64_t n : shape) {
    expected += (expected.empty() ? "" : ", ") + (n < 0 ? std::string("any") : std::to_string(n));
  }
  throw ArgumentError(std::string(name) + " has shape " + shape_text(a) + ", expected (" + expected + ")");
}

template <class T>
std::span<const T> values(const Array<T>& a) {
  return {a.data(), static_cast<std::size_t>(a.size())};
}

// The memory of an output array: contiguous, aligned, writeable.
template <class T>
T* writable(py::array& a, std::initializer_list<std::int64_t> shape, const char* name) {
  if (!py::isinstance<py::array_t<T>>(a)) {
    const auto text = [](const py::dtype& dtype) { return py::str(dtype).cast<std::string>(); };
    throw ArgumentError(std::string(name) + " has dtype " + text(a.dtype()) + ", expected " +
                        text(py::dtype::of<T>()));
  }
  require((a.flags() & py::array::c_style) != 0, std::string(name) + " is not C-contiguous");
  require(a.writeable(), std::string(name) + " is read-only");
  require_shape(a, shape, name);
  return static_cast<T*>(a.mutable_data());
}

// One film for each image of these sizes.
inline std::span<const FilmSettings> film_settings(const Array<FilmSettings>& film, std::int64_t images,
                                                   std::int64_t rows, std::int64_t columns,
                                                   std::span<const double> pixel_size) {
  require_shape(film, {images}, "film");
  const std::span settings = values(film);
  for (std::size_t i = 0; i < settings.size(); ++i) {
    // The nodes of the rough surface's lattices have numbers of 21 bits. The Python side sees to it that
    // drift, ripple, lag and jitter carry the beam a field away each, at most.
    const double reach = 256.0 / pixel_size[i] + 5.0 * static_cast<double>(std::max(rows, columns));
    if (settings[i].roughness > 0.0 && !(reach < 0x1p19)) {
      throw ArgumentError("a rough film under " + std::to_string(rows) + " x " + std::to_string(columns) +
                          " pixels of " + std::to_string(pixel_size[i]) +
                          " nm: expected fewer than (2^19 − 256 nm/pixel_size_nm)/5 pixels a side");
    }
  }
  return settings;
}

// How to notice Ctrl-C while the GIL is released, with a number of threads that is settled.
inline Execution execution(int threads) {
  // Python gives signals to its main thread alone: others would wait for the GIL only to learn nothing.
  const auto main = py::module_::import("threading").attr("main_thread")().attr("ident");
  if (main.cast<unsigned long>() != PyThread_get_thread_ident()) return {threads, {}};
  return {threads, [] {
            const py::gil_scoped_acquire gil;
            return PyErr_CheckSignals() != 0;
          }};
}

void bind_fit(py::module_& m);
void bind_gather(py::module_& m);
void bind_isolation(py::module_& m);
void bind_networks(py::module_& m);
void bind_outlines(py::module_& m);
void bind_render(py::module_& m);
void bind_stages(py::module_& m);

}  // namespace stemfast::bindings
