// Single stages and the core's own arithmetic, for tests, benchmarks and random draws.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>

#include "arrays.hpp"
#include "stemfast/elementary.hpp"
#include "stemfast/quaternion.hpp"
#include "stemfast/rng.hpp"

namespace stemfast::bindings {
namespace {

Array<float> scattered_fraction(const Array<float>& depth, const Array<ScatteringCurve>& curve) {
  require_shape(curve, {1}, "curve");
  Array<float> out(std::vector<py::ssize_t>(depth.shape(), depth.shape() + depth.ndim()));
  std::copy(depth.data(), depth.data() + depth.size(), out.mutable_data());
  kernels().scattered_fraction(values(curve)[0], out.mutable_data(), out.size());
  return out;
}

Array<float> blur(const Array<float>& image, double sigma, const std::string& boundary, int n_threads) {
  require_shape(image, {-1, -1}, "image");
  require(sigma > 0.0 && sigma < 1e6, "sigma must be positive, got " + std::to_string(sigma));
  require(boundary == "nearest" || boundary == "reflect",
          "boundary must be 'nearest' or 'reflect', got '" + boundary + "'");
  const std::int64_t rows = image.shape(0), columns = image.shape(1);
  Array<float> out({rows, columns});
  float* pixels = out.mutable_data();
  std::copy(image.data(), image.data() + image.size(), pixels);
  const std::uint8_t mode = boundary == "nearest" ? 0 : 1;
  const Execution run = execution(resolve_threads(n_threads));
  {
    const py::gil_scoped_release release;
    kernels().blur(pixels, rows, columns, sigma, mode, run);
  }
  return out;
}

Array<float> film(const Array<FilmSettings>& settings, std::int64_t rows, std::int64_t columns,
                  double pixel_size, std::uint64_t seed, std::uint64_t index, int n_threads) {
  require(rows > 0 && columns > 0 && pixel_size > 0.0, "rows, columns and pixel_size must be positive");
  const auto films = film_settings(settings, 1, rows, columns, {&pixel_size, 1});
  Array<float> out({rows, columns});
  float* pixels = out.mutable_data();
  const Execution run = execution(resolve_threads(n_threads));
  {
    const py::gil_scoped_release release;
    kernels().film(films.front(), rows, columns, pixel_size, {seed, index}, pixels, run);
  }
  return out;
}

Array<std::int32_t> poisson(const Array<float>& mean, std::uint64_t seed, std::uint64_t index,
                            int n_threads) {
  require_shape(mean, {-1}, "mean");
  for (const float m : values(mean)) {
    if (!(m <= 0x1p30f)) throw ArgumentError("mean must be at most 2^30, got " + std::to_string(m));
  }
  Array<std::int32_t> counts(mean.size());
  std::int32_t* out = counts.mutable_data();
  const Execution run = execution(resolve_threads(n_threads));
  {
    const py::gil_scoped_release release;
    kernels().poisson(mean.data(), mean.size(), {seed, index}, out, run);
  }
  return counts;
}

Array<double> poisson_quantiles(const Array<std::uint64_t>& bits, const Array<double>& mean) {
  require_shape(bits, {-1}, "bits");
  require_shape(mean, {bits.size()}, "mean");
  for (const double m : values(mean)) {
    if (!(m > 0.0)) throw ArgumentError("mean must be positive, got " + std::to_string(m));
  }
  for (const std::uint64_t b : values(bits)) {
    if (b >> 53 != 0) throw ArgumentError("bits must be below 2^53, got " + std::to_string(b));
  }
  Array<double> counts(bits.size());
  kernels().poisson_quantiles(bits.data(), mean.data(), bits.size(), counts.mutable_data());
  return counts;
}

py::array read_out(const Array<std::int32_t>& counts, double gain, double offset, double read_noise,
                   std::uint64_t seed, std::uint64_t index, const py::object& dtype) {
  require_shape(counts, {-1}, "counts");
  py::array out(py::dtype::from_args(dtype), std::vector<py::ssize_t>{counts.size()});
  PixelType type = PixelType::f32;
  if (py::isinstance<py::array_t<std::uint8_t>>(out)) {
    type = PixelType::u8;
  } else if (py::isinstance<py::array_t<std::uint16_t>>(out)) {
    type = PixelType::u16;
  } else {
    require(py::isinstance<py::array_t<float>>(out), "dtype must be uint8, uint16 or float32");
  }
  kernels().read_out(counts.data(), counts.size(), gain, offset, read_noise, {seed, index}, type,
                     out.mutable_data());
  return out;
}

Array<float> add_tail(const Array<float>& image, double gamma, double fraction) {
  require_shape(image, {-1, -1}, "image");
  require(image.size() > 0, "image is empty");
  require(gamma > 0.0 && gamma < 1e9, "gamma must be positive, got " + std::to_string(gamma));
  Array<float> out({image.shape(0), image.shape(1)});
  std::copy(image.data(), image.data() + image.size(), out.mutable_data());
  kernels().add_tail(out.mutable_data(), image.shape(0), image.shape(1), gamma, fraction);
  return out;
}

Array<double> multiply(const Array<std::int32_t>& counts, double excess, std::uint64_t seed,
                       std::uint64_t index) {
  require_shape(counts, {-1}, "counts");
  require(excess > 0.0, "excess must be positive, got " + std::to_string(excess));
  Array<double> charge(counts.size());
  kernels().multiply(counts.data(), counts.size(), excess, {seed, index}, charge.mutable_data());
  return charge;
}

Array<double> quotients(const Array<double>& a, const Array<double>& b) {
  require_shape(a, {-1}, "a");
  require_shape(b, {a.size()}, "b");
  Array<double> out(a.size());
  kernels().quotients(a.data(), b.data(), a.size(), out.mutable_data());
  return out;
}

Array<float> fade(const Array<float>& charge, double decay, double dwell, double flyback) {
  require_shape(charge, {-1, -1}, "charge");
  require(decay > 0.0, "decay must be positive, got " + std::to_string(decay));
  Array<float> out({charge.shape(0), charge.shape(1)});
  std::copy(charge.data(), charge.data() + charge.size(), out.mutable_data());
  kernels().fade(out.mutable_data(), charge.shape(0), charge.shape(1), decay, dwell, flyback);
  return out;
}

Array<double> haar_orientations(std::uint64_t seed, std::uint64_t first_index, std::int64_t n) {
  require(n >= 0, "n must not be negative, got " + std::to_string(n));
  Array<double> out({n, std::int64_t{4}});
  kernels().haar_orientations({seed, first_index}, n, out.mutable_data());
  return out;
}

Array<double> uniforms(std::uint64_t seed, const Array<std::uint64_t>& index, std::uint32_t stage,
                       std::int64_t draws) {
  require_shape(index, {-1}, "index");
  require(draws >= 0, "draws must not be negative, got " + std::to_string(draws));
  require(stage < 0xff00u, "stage must be below 65280, got " + std::to_string(stage));
  const std::int64_t n = index.size();
  Array<double> out({n, draws});
  kernels().uniforms(seed, index.data(), n, stage, draws, out.mutable_data());
  return out;
}

// A function of one number, entry by entry.
template <class Function>
Array<double> mapped(const Array<double>& x, const Function& function) {
  Array<double> out(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
  std::transform(x.data(), x.data() + x.size(), out.mutable_data(), function);
  return out;
}

using Four = std::array<double, 4>;

Quaternion quaternion(const Four& q) { return {q[0], q[1], q[2], q[3]}; }
Four four(const Quaternion& q) { return {q.x, q.y, q.z, q.w}; }

}  // namespace

void bind_stages(py::module_& m) {
  m.def("scattered_fraction", &scattered_fraction, py::arg("depth"), py::arg("curve").noconvert());
  m.def("blur", &blur, py::arg("image"), py::arg("sigma"), py::arg("boundary") = "nearest",
        py::arg("n_threads") = 1);
  m.def("film", &film, py::arg("settings").noconvert(), py::kw_only(), py::arg("rows"), py::arg("columns"),
        py::arg("pixel_size"), py::arg("seed"), py::arg("index"), py::arg("n_threads") = 1);
  m.def("poisson", &poisson, py::arg("mean"), py::kw_only(), py::arg("seed"), py::arg("index"),
        py::arg("n_threads") = 1);
  m.def("poisson_quantiles", &poisson_quantiles, py::arg("bits"), py::arg("mean"));
  m.def("read_out", &read_out, py::arg("counts"), py::kw_only(), py::arg("gain"), py::arg("offset"),
        py::arg("read_noise"), py::arg("seed"), py::arg("index"), py::arg("dtype"));
  m.def("add_tail", &add_tail, py::arg("image"), py::kw_only(), py::arg("gamma"), py::arg("fraction"));
  m.def("multiply", &multiply, py::arg("counts"), py::kw_only(), py::arg("excess"), py::arg("seed"),
        py::arg("index"));
  m.def("fade", &fade, py::arg("charge"), py::kw_only(), py::arg("decay"), py::arg("dwell"),
        py::arg("flyback"));
  m.def("quotients", &quotients, py::arg("a"), py::arg("b"));
  m.def("haar_orientations", &haar_orientations, py::arg("seed"), py::arg("first_index"), py::arg("n"));
  m.def("uniforms", &uniforms, py::arg("seed"), py::arg("index"), py::arg("stage"), py::arg("draws"));
  m.def(
      "philox",
      [](const Words& counter, std::uint64_t key) {
        return philox(counter, static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32));
      },
      py::arg("counter"), py::arg("key"));

  m.def(
      "quaternion_multiply", [](const Four& p, const Four& q) { return four(quaternion(p) * quaternion(q)); },
      py::arg("p"), py::arg("q"));
  m.def(
      "quaternion_rotate", [](const Four& q, const Vector3& v) { return rotate(quaternion(q), v); },
      py::arg("q"), py::arg("vector"));
  m.def(
      "quaternion_normalise",
      [](const Four& q) {
        const double length = norm(quaternion(q));
        require(length > 1e-150 && length < 1e150,
                "a quaternion of length " + std::to_string(length) + " cannot be normalised");
        return four(normalised(quaternion(q)));
      },
      py::arg("q"));
  m.def(
      "quaternion_slerp",
      [](const Four& p, const Four& q, double fraction) {
        return four(slerp(quaternion(p), quaternion(q), fraction));
      },
      py::arg("p"), py::arg("q"), py::arg("fraction"));
  m.def(
      "quaternion_from_angular_velocity",
      [](const Vector3& omega, double time) { return four(from_angular_velocity(omega, time)); },
      py::arg("omega"), py::arg("time"));
  m.def("exponential", [](const Array<double>& x) { return mapped(x, exponential); }, py::arg("x"));
  m.def("logarithm", [](const Array<double>& x) { return mapped(x, logarithm); }, py::arg("x"));
  m.def(
      "sine_turns",
      [](const Array<double>& x) { return mapped(x, [](double t) { return sin_cos_turns(t).sine; }); },
      py::arg("turns"));
  m.def(
      "cosine_turns",
      [](const Array<double>& x) { return mapped(x, [](double t) { return sin_cos_turns(t).cosine; }); },
      py::arg("turns"));
}

}  // namespace stemfast::bindings
