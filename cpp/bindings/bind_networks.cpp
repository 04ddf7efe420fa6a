// Layers of networks that the core evaluates.
#include <pybind11/stl.h>

#include <utility>
#include <vector>

#include "arrays.hpp"

namespace stemfast::bindings {
namespace {

using Input = std::pair<Array<float>, std::string>;
using Term = std::pair<std::vector<Input>, Array<float>>;

Fit fit_of(const std::string& name) {
  if (name == "same") return Fit::same;
  if (name == "halved") return Fit::halved;
  require(name == "doubled", "fit must be 'same', 'halved' or 'doubled', got '" + name + "'");
  return Fit::doubled;
}

// Rows or columns of the output that an input stands for.
std::int64_t fitted(std::int64_t n, Fit fit) {
  if (fit == Fit::doubled) return 2 * n;
  require(fit == Fit::same || n % 2 == 0,
          "a halved input needs even rows and columns, got " + std::to_string(n));
  return fit == Fit::same ? n : n / 2;
}

LayerInput input_of(const Input& input) {
  const auto& [values, name] = input;
  require_shape(values, {-1, -1, -1}, "input");
  return {values.data(), values.shape(0), values.shape(1), values.shape(2), fit_of(name)};
}

void convolve(const std::vector<Term>& terms, const Array<float>& bias, py::array out, bool rectified,
              int n_threads) {
  require(!terms.empty() && !terms.front().first.empty(), "expected a term with an input");
  require_shape(bias, {-1}, "bias");
  std::vector<std::vector<LayerInput>> inputs;
  for (const auto& term : terms) {
    std::vector<LayerInput> own;
    for (const Input& input : term.first) own.push_back(input_of(input));
    inputs.push_back(std::move(own));
  }
  const LayerInput& one = inputs.front().front();
  Layer layer{
      {}, bias.data(), rectified, fitted(one.rows, one.fit), bias.size(), fitted(one.columns, one.fit)};
  require(layer.rows > 0 && layer.columns > 0 && layer.filters > 0,
          "expected an image and filters, got none");
  std::vector<LayerTerm> parts;
  for (std::size_t t = 0; t < terms.size(); ++t) {
    std::int64_t channels = 0;
    for (const LayerInput& input : inputs[t]) {
      channels += input.channels;
      require(
          fitted(input.rows, input.fit) == layer.rows && fitted(input.columns, input.fit) == layer.columns,
          "inputs of different size: expected " + std::to_string(layer.rows) + " rows and " +
              std::to_string(layer.columns) + " columns of all");
    }
    const Array<float>& kernel = terms[t].second;
    require_shape(kernel, {-1, -1, channels, layer.filters}, "kernel");
    const std::int64_t size = kernel.shape(0);
    require(size % 2 == 1 && kernel.shape(1) == size,
            "kernel has shape " + shape_text(kernel) + ", expected a square of odd side");
    parts.push_back({inputs[t], size, kernel.data()});
  }
  layer.terms = parts;
  float* values = writable<float>(out, {layer.rows, layer.filters, layer.columns}, "out");
  const Execution run = execution(resolve_threads(n_threads));
  {
    const py::gil_scoped_release release;
    kernels().convolve(layer, values, run);
  }
}

}  // namespace

void bind_networks(py::module_& m) {
  m.def("convolve", &convolve, py::arg("terms"), py::arg("bias"), py::arg("out"), py::kw_only(),
        py::arg("rectified"), py::arg("n_threads") = 1);
}

}  // namespace stemfast::bindings
