// Scenes in, thickness maps, images and volumes out.
#include <pybind11/stl.h>

#include <algorithm>
#include <utility>

#include "arrays.hpp"

namespace stemfast::bindings {
namespace {

// Offsets 0 = o[0] ≤ o[1] ≤ … ≤ o[n] = total.
void require_offsets(std::span<const std::int64_t> offsets, std::int64_t total, const char* name) {
  bool good = !offsets.empty() && offsets.front() == 0 && offsets.back() == total;
  for (std::size_t i = 1; good && i < offsets.size(); ++i) good = offsets[i - 1] <= offsets[i];
  require(good, std::string(name) + " must rise from 0 to " + std::to_string(total));
}

std::int64_t longest(std::span<const std::int64_t> offsets) {
  std::int64_t n = 0;
  for (std::size_t i = 1; i < offsets.size(); ++i) n = std::max(n, offsets[i] - offsets[i - 1]);
  return n;
}

// The solids of a batch and where they stand. Holds on to the arrays that its views look at.
class Scenes {
 public:
  Scenes(Array<std::uint8_t> kind, Array<std::int64_t> plane_offset, Array<double> planes,
         Array<std::int64_t> vertex_offset, Array<double> vertices, Array<std::int64_t> triangle_offset,
         Array<std::int32_t> triangles, Array<std::int64_t> image_offset, Array<std::int32_t> shape,
         Array<double> position, Array<double> orientation, Array<double> weight)
      : keep_(py::make_tuple(kind, plane_offset, planes, vertex_offset, vertices, triangle_offset, triangles,
                             image_offset, shape, position, orientation, weight)) {
    const std::int64_t shapes = kind.size(), n_bodies = shape.size();
    require_shape(kind, {shapes}, "kind");
    require_shape(planes, {-1, 4}, "planes");
    require_shape(vertices, {-1, 3}, "vertices");
    require_shape(triangles, {-1, 3}, "triangles");
    require_shape(plane_offset, {shapes + 1}, "plane_offset");
    require_shape(vertex_offset, {shapes + 1}, "vertex_offset");
    require_shape(triangle_offset, {shapes + 1}, "triangle_offset");
    require_shape(image_offset, {-1}, "image_offset");
    require_shape(shape, {n_bodies}, "shape");
    require_shape(position, {n_bodies, 3}, "position");
    require_shape(orientation, {n_bodies, 4}, "orientation");
    require_shape(weight, {n_bodies}, "weight");
    require_offsets(values(plane_offset), planes.shape(0), "plane_offset");
    require_offsets(values(vertex_offset), vertices.shape(0), "vertex_offset");
    require_offsets(values(triangle_offset), triangles.shape(0), "triangle_offset");
    require_offsets(values(image_offset), n_bodies, "image_offset");
    for (const std::int32_t s : values(shape)) {
      if (s < 0 || s >= shapes) {
        throw ArgumentError("shape has index " + std::to_string(s) + " of " + std::to_string(shapes) +
                            " shapes");
      }
    }
    batch_.shapes = {values(kind),
                     values(plane_offset),
                     values(planes),
                     values(vertex_offset),
                     values(vertices),
                     values(triangle_offset),
                     values(triangles),
                     longest(values(plane_offset)),
                     longest(values(vertex_offset))};
    batch_.bodies = {values(image_offset), values(shape), values(position), values(orientation),
                     values(weight)};
    for (std::int64_t s = 0; s < shapes; ++s) require_solid(s);
  }

  const Batch& batch() const { return batch_; }
  std::int64_t images() const { return batch_.images(); }

 private:
  void require_solid(std::int64_t shape) const {
    const auto s = static_cast<std::size_t>(shape);
    const ShapeTable& t = batch_.shapes;
    const auto count = [s](std::span<const std::int64_t> o) { return o[s + 1] - o[s]; };
    const std::int64_t planes = count(t.plane_offset), vertices = count(t.vertex_offset);
    const std::string name = "shape " + std::to_string(shape);
    require(t.kind[s] <= 2, name + " is of kind " + std::to_string(t.kind[s]) + ", expected 0, 1 or 2");
    switch (static_cast<ShapeKind>(t.kind[s])) {
      case ShapeKind::convex:
        require(planes >= 4 && vertices >= 4, name + ": a convex body needs four planes and vertices");
        break;
      case ShapeKind::ellipsoid:
        require(planes == 3 && vertices == 1, name + ": an ellipsoid has three planes and one vertex");
        break;
      case ShapeKind::mesh:
        require(vertices >= 4, name + ": a mesh needs four vertices");
        for (auto i = 3 * t.triangle_offset[s]; i < 3 * t.triangle_offset[s + 1]; ++i) {
          const std::int32_t v = t.triangles[static_cast<std::size_t>(i)];
          if (v < 0 || v >= vertices) {
            throw ArgumentError(name + " has a triangle with vertex " + std::to_string(v) + " of " +
                                std::to_string(vertices));
          }
        }
        break;
    }
  }

  py::tuple keep_;
  Batch batch_;
};

// The scan of every image of the batch.
Batch scanned(const Scenes& scenes, std::int64_t rows, std::int64_t columns, std::int64_t oversample,
              const Array<double>& pixel_size, const Array<double>& dwell, const Array<double>& flyback,
              const Array<double>& spin) {
  const std::int64_t n = scenes.images();
  require(rows > 0 && columns > 0 && oversample > 0, "rows, columns and oversample must be positive");
  require_shape(pixel_size, {n}, "pixel_size");
  require_shape(dwell, {n}, "dwell");
  require_shape(flyback, {n}, "flyback");
  require_shape(spin, {n, 3}, "spin");
  Batch batch = scenes.batch();
  batch.scan = {rows, columns, oversample, values(pixel_size), values(dwell), values(flyback), values(spin)};
  return batch;
}

void thickness(const Scenes& scenes, py::array out, std::int64_t oversample, const Array<double>& pixel_size,
               const Array<double>& dwell, const Array<double>& flyback, const Array<double>& spin,
               int engine, int n_threads) {
  require_shape(out, {scenes.images(), -1, -1}, "out");
  const std::int64_t rows = out.shape(1), columns = out.shape(2);
  float* pixels = writable<float>(out, {scenes.images(), rows, columns}, "out");
  const Batch batch = scanned(scenes, rows, columns, oversample, pixel_size, dwell, flyback, spin);
  const Execution run = execution(n_threads);
  const py::gil_scoped_release release;
  kernels().thickness(batch, static_cast<Engine>(engine), pixels, run);
}

void simulate(const Scenes& scenes, py::array out, std::int64_t oversample, const Array<double>& pixel_size,
              const Array<double>& dwell, const Array<double>& flyback, const Array<double>& spin,
              const Array<double>& film_depth, const Array<double>& probe_sigma,
              const Array<double>& electrons, const Array<double>& gain, const Array<double>& offset,
              const Array<double>& read_noise, const Array<double>& tail_fraction,
              const Array<double>& tail_gamma, const Array<double>& excess_noise, const Array<double>& decay,
              py::array clipped, std::uint64_t seed, std::uint64_t first_index, int engine, int n_threads) {
  const std::int64_t n = scenes.images();
  require_shape(out, {n, -1, -1}, "out");
  const std::int64_t rows = out.shape(1), columns = out.shape(2);
  require(rows * columns <= (std::int64_t{1} << 32),
          "an image may have 2^32 pixels at most: each has a random number of its own");
  PixelType type = PixelType::f32;
  void* pixels = nullptr;
  if (py::isinstance<py::array_t<std::uint8_t>>(out)) {
    type = PixelType::u8;
    pixels = writable<std::uint8_t>(out, {n, rows, columns}, "out");
  } else if (py::isinstance<py::array_t<std::uint16_t>>(out)) {
    type = PixelType::u16;
    pixels = writable<std::uint16_t>(out, {n, rows, columns}, "out");
  } else {
    pixels = writable<float>(out, {n, rows, columns}, "out");
  }
  for (const auto& [array, name] : {std::pair{&film_depth, "film_depth"},
                                    {&probe_sigma, "probe_sigma"},
                                    {&electrons, "electrons"},
                                    {&gain, "gain"},
                                    {&offset, "offset"},
                                    {&read_noise, "read_noise"},
                                    {&tail_fraction, "tail_fraction"},
                                    {&tail_gamma, "tail_gamma"},
                                    {&excess_noise, "excess_noise"},
                                    {&decay, "decay"}}) {
    require_shape(*array, {n}, name);
  }
  const Batch batch = scanned(scenes, rows, columns, oversample, pixel_size, dwell, flyback, spin);
  const RecordingTable recording{
      values(film_depth), values(probe_sigma),   values(electrons),  values(gain),         values(offset),
      values(read_noise), values(tail_fraction), values(tail_gamma), values(excess_noise), values(decay)};
  auto* clipped_pixels = writable<std::int64_t>(clipped, {n, 2}, "clipped");
  const Execution run = execution(n_threads);
  const py::gil_scoped_release release;
  kernels().simulate(batch, recording, static_cast<Engine>(engine), {seed, first_index}, type, pixels,
                     clipped_pixels, run);
}

void voxelize(const Scenes& scenes, py::array out, double voxel_size, int n_threads) {
  require(scenes.images() == 1, "voxelize takes one scene, got " + std::to_string(scenes.images()));
  require_shape(out, {-1, -1, -1}, "out");
  const std::int64_t layers = out.shape(0), rows = out.shape(1), columns = out.shape(2);
  auto* voxels = writable<std::uint8_t>(out, {layers, rows, columns}, "out");
  const double zero[3] = {0, 0, 0};
  Batch batch = scenes.batch();
  batch.scan = {rows, columns, 1, {&voxel_size, 1}, {zero, 1}, {zero, 1}, {zero, 3}};
  const double first = -0.5 * static_cast<double>(layers - 1) * voxel_size;
  const Execution run = execution(n_threads);
  const py::gil_scoped_release release;
  kernels().voxelize(batch, layers, first, voxel_size, voxels, run);
}

void project_volume(const Array<float>& volume, const Array<double>& orientation, py::array out,
                    double voxel_size, std::int64_t side, int n_threads) {
  require_shape(volume, {-1, -1, -1}, "volume");
  const std::int64_t images = orientation.size() / 4;
  require_shape(orientation, {images, 4}, "orientation");
  require_shape(out, {images, -1, -1}, "out");
  const std::int64_t rows = out.shape(1), columns = out.shape(2);
  require(rows <= side && columns <= side && (side - rows) % 2 == 0 && (side - columns) % 2 == 0,
          "the working field must hold the image with equal margins");
  float* pixels = writable<float>(out, {images, rows, columns}, "out");
  const VolumeProjection projection{volume.data(),
                                    volume.shape(0),
                                    volume.shape(1),
                                    volume.shape(2),
                                    voxel_size,
                                    orientation.data(),
                                    images,
                                    side,
                                    rows,
                                    columns};
  const Execution run = execution(n_threads);
  const py::gil_scoped_release release;
  kernels().project_volume(projection, pixels, run);
}

}  // namespace

void bind_render(py::module_& m) {
  py::class_<Scenes>(m, "Scenes", "The solids of a batch of images, and where they stand.")
      .def(py::init<Array<std::uint8_t>, Array<std::int64_t>, Array<double>, Array<std::int64_t>,
                    Array<double>, Array<std::int64_t>, Array<std::int32_t>, Array<std::int64_t>,
                    Array<std::int32_t>, Array<double>, Array<double>, Array<double>>(),
           py::kw_only(), py::arg("kind"), py::arg("plane_offset"), py::arg("planes"),
           py::arg("vertex_offset"), py::arg("vertices"), py::arg("triangle_offset"), py::arg("triangles"),
           py::arg("image_offset"), py::arg("shape"), py::arg("position"), py::arg("orientation"),
           py::arg("weight"))
      .def_property_readonly("images", &Scenes::images);
  m.def("thickness", &thickness, py::arg("scenes"), py::arg("out"), py::kw_only(), py::arg("oversample"),
        py::arg("pixel_size"), py::arg("dwell"), py::arg("flyback"), py::arg("spin"), py::arg("engine"),
        py::arg("n_threads"));
  m.def("simulate", &simulate, py::arg("scenes"), py::arg("out"), py::kw_only(), py::arg("oversample"),
        py::arg("pixel_size"), py::arg("dwell"), py::arg("flyback"), py::arg("spin"), py::arg("film_depth"),
        py::arg("probe_sigma"), py::arg("electrons"), py::arg("gain"), py::arg("offset"),
        py::arg("read_noise"), py::arg("tail_fraction"), py::arg("tail_gamma"), py::arg("excess_noise"),
        py::arg("decay"), py::arg("clipped"), py::arg("seed"), py::arg("first_index"), py::arg("engine"),
        py::arg("n_threads"));
  m.def("voxelize", &voxelize, py::arg("scenes"), py::arg("out"), py::kw_only(), py::arg("voxel_size"),
        py::arg("n_threads"));
  m.def("project_volume", &project_volume, py::arg("volume"), py::arg("orientation"), py::arg("out"),
        py::kw_only(), py::arg("voxel_size"), py::arg("side"), py::arg("n_threads"));
}

}  // namespace stemfast::bindings
