// Scenes in, thickness maps, images and volumes out.
#include <pybind11/stl.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "arrays.hpp"

namespace stemfast::bindings {
namespace {

// Offsets 0 = o[0] ≤ o[1] ≤ … ≤ o[n] = total.
void require_offsets(std::span<const std::int64_t> offsets, std::int64_t total, const char* name) {
  bool good = !offsets.empty() && offsets.front() == 0 && offsets.back() == total;
  for (std::size_t i = 1; good && i < offsets.size(); ++i) good = offsets[i - 1] <= offsets[i];
  if (!good) throw ArgumentError(std::string(name) + " must rise from 0 to " + std::to_string(total));
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
    batch_.shapes = {.kind = values(kind),
                     .plane_offset = values(plane_offset),
                     .planes = values(planes),
                     .vertex_offset = values(vertex_offset),
                     .vertices = values(vertices),
                     .triangle_offset = values(triangle_offset),
                     .triangles = values(triangles),
                     .max_planes = longest(values(plane_offset)),
                     .max_vertices = longest(values(vertex_offset))};
    batch_.bodies = {.image_offset = values(image_offset),
                     .shape = values(shape),
                     .position = values(position),
                     .orientation = values(orientation),
                     .weight = values(weight)};
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
    const auto needs = [shape](bool holds, const std::string_view what) {
      if (!holds) throw ArgumentError("shape " + std::to_string(shape) + std::string(what));
    };
    if (t.kind[s] > 2) needs(false, " is of kind " + std::to_string(t.kind[s]) + ", expected 0, 1 or 2");
    switch (static_cast<ShapeKind>(t.kind[s])) {
      case ShapeKind::convex:
        needs(planes >= 4 && vertices >= 4, ": a convex body needs four planes and vertices");
        break;
      case ShapeKind::ellipsoid:
        needs(planes == 3 && vertices == 1, ": an ellipsoid has three planes and one vertex");
        break;
      case ShapeKind::mesh:
        needs(vertices >= 4, ": a mesh needs four vertices");
        for (auto i = 3 * t.triangle_offset[s]; i < 3 * t.triangle_offset[s + 1]; ++i) {
          const std::int32_t v = t.triangles[static_cast<std::size_t>(i)];
          if (v < 0 || v >= vertices) {
            needs(false,
                  " has a triangle with vertex " + std::to_string(v) + " of " + std::to_string(vertices));
          }
        }
        break;
    }
  }

  py::tuple keep_;
  Batch batch_;
};

// How a batch is scanned. Holds on to the arrays that its views look at.
class Scanning {
 public:
  Scanning(std::int64_t oversample, bool pose_per_pixel, Array<double> pixel_size, Array<double> dwell,
           Array<double> flyback, Array<Stray> stray, Array<std::int64_t> frame, Array<double> spin,
           Array<std::int64_t> path_offset, Array<double> path_time, Array<double> path_turn)
      : keep_(py::make_tuple(pixel_size, dwell, flyback, stray, frame, spin, path_offset, path_time,
                             path_turn)) {
    const std::int64_t n = pixel_size.size(), m = path_time.size();
    require(oversample > 0, "oversample must be positive, got " + std::to_string(oversample));
    require_shape(pixel_size, {n}, "pixel_size");
    require_shape(dwell, {n}, "dwell");
    require_shape(flyback, {n}, "flyback");
    require_shape(stray, {n}, "stray");
    require_shape(frame, {n}, "frame");
    require_shape(spin, {n, 3}, "spin");
    require_shape(path_offset, {n + 1}, "path_offset");
    require_shape(path_time, {m}, "path_time");
    require_shape(path_turn, {m, 4}, "path_turn");
    require_offsets(values(path_offset), m, "path_offset");
    for (const std::int64_t f : values(frame)) {
      if (f < 0 || f >= (std::int64_t{1} << 16)) {
        throw ArgumentError("frame must be from 0 to 65535, got " + std::to_string(f));
      }
    }
    table_.oversample = oversample;
    table_.pose_per_pixel = pose_per_pixel;
    table_.pixel_size = values(pixel_size);
    table_.dwell = values(dwell);
    table_.flyback = values(flyback);
    table_.stray = values(stray);
    table_.frame = values(frame);
    table_.spin = values(spin);
    table_.path_offset = values(path_offset);
    table_.path_time = values(path_time);
    table_.path_turn = values(path_turn);
  }

  std::int64_t images() const { return static_cast<std::int64_t>(table_.pixel_size.size()); }

  ScanTable over(std::int64_t rows, std::int64_t columns) const {
    require(rows > 0 && columns > 0, "an image needs rows and columns");
    ScanTable table = table_;
    table.rows = rows;
    table.columns = columns;
    return table;
  }

 private:
  py::tuple keep_;
  ScanTable table_;
};

Batch scanned(const Scenes& scenes, const Scanning& scanning, std::int64_t rows, std::int64_t columns,
              const RandomKey& key) {
  require(scanning.images() == scenes.images(), "scanning is for " + std::to_string(scanning.images()) +
                                                    " images, scenes for " + std::to_string(scenes.images()));
  require(key.frames > 0, "frames must be positive, got " + std::to_string(key.frames));
  Batch batch = scenes.batch();
  batch.scan = scanning.over(rows, columns);
  batch.key = key;
  return batch;
}

void thickness(const Scenes& scenes, const Scanning& scanning, py::array out, std::uint64_t seed,
               std::uint64_t first_index, std::int64_t frames, int engine, int n_threads) {
  require_shape(out, {scenes.images(), -1, -1}, "out");
  const std::int64_t rows = out.shape(1), columns = out.shape(2);
  float* pixels = writable<float>(out, {scenes.images(), rows, columns}, "out");
  const Batch batch = scanned(scenes, scanning, rows, columns, {seed, first_index, frames});
  const Execution run = execution(resolve_threads(n_threads, scenes.images() * rows * columns));
  const py::gil_scoped_release release;
  kernels().thickness(batch, static_cast<Engine>(engine), pixels, run);
}

py::tuple scan_path(const Scenes& scenes, const Scanning& scanning, std::int64_t image, std::int64_t rows,
                    std::int64_t columns, std::uint64_t seed, std::uint64_t first_index,
                    std::int64_t frames) {
  require(0 <= image && image < scenes.images(), "image must be below the number of images");
  const Batch batch = scanned(scenes, scanning, rows, columns, {seed, first_index, frames});
  Array<double> time({rows, columns}), x({rows, columns}), y({rows, columns});
  Array<double> turn({rows, columns, std::int64_t{4}});
  kernels().scan_path(batch, image, time.mutable_data(), x.mutable_data(), y.mutable_data(),
                      turn.mutable_data());
  return py::make_tuple(time, x, y, turn);
}

void simulate(const Scenes& scenes, const Scanning& scanning, py::array out, const Array<FilmSettings>& film,
              const Array<ScatteringCurve>& curve, const Array<std::uint8_t>& bright_field,
              const Array<double>& probe_sigma, const Array<double>& electrons, const Array<double>& gain,
              const Array<double>& offset, const Array<double>& read_noise,
              const Array<double>& tail_fraction, const Array<double>& tail_gamma,
              const Array<double>& excess_noise, const Array<double>& decay, const Array<double>& convergence,
              const Array<double>& focus, const Array<std::int64_t>& slabs, py::array clipped,
              std::uint64_t seed, std::uint64_t first_index, std::int64_t frames, int engine, int n_threads,
              bool expected) {
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
  if (expected) {
    require(type == PixelType::f32, "expected electrons are float32");
    type = PixelType::expected;
  }
  for (const auto& [array, name] : {std::pair{&probe_sigma, "probe_sigma"},
                                    {&electrons, "electrons"},
                                    {&gain, "gain"},
                                    {&offset, "offset"},
                                    {&read_noise, "read_noise"},
                                    {&tail_fraction, "tail_fraction"},
                                    {&tail_gamma, "tail_gamma"},
                                    {&excess_noise, "excess_noise"},
                                    {&decay, "decay"},
                                    {&convergence, "convergence"},
                                    {&focus, "focus"}}) {
    require_shape(*array, {n}, name);
  }
  require_shape(curve, {n}, "curve");
  require_shape(bright_field, {n}, "bright_field");
  require_shape(slabs, {n}, "slabs");
  for (const std::int64_t k : values(slabs)) {
    if (k < 1) throw ArgumentError("slabs must be positive, got " + std::to_string(k));
  }
  const Batch batch = scanned(scenes, scanning, rows, columns, {seed, first_index, frames});
  const RecordingTable recording{
      .film = film_settings(film, n, rows, columns, batch.scan.pixel_size),
      .curve = values(curve),
      .bright_field = values(bright_field),
      .probe_sigma = values(probe_sigma),
      .electrons = values(electrons),
      .gain = values(gain),
      .offset = values(offset),
      .read_noise = values(read_noise),
      .tail_fraction = values(tail_fraction),
      .tail_gamma = values(tail_gamma),
      .excess_noise = values(excess_noise),
      .convergence = values(convergence),
      .focus = values(focus),
      .slabs = values(slabs),
      .decay = values(decay),
  };
  auto* clipped_pixels = writable<std::int64_t>(clipped, {n, 2}, "clipped");
  const Execution run = execution(resolve_threads(n_threads, n * rows * columns));
  const py::gil_scoped_release release;
  kernels().simulate(batch, recording, static_cast<Engine>(engine), type, pixels, clipped_pixels, run);
}

void voxelize(const Scenes& scenes, py::array out, double voxel_size, int n_threads) {
  require(scenes.images() == 1, "voxelize takes one scene, got " + std::to_string(scenes.images()));
  require_shape(out, {-1, -1, -1}, "out");
  const std::int64_t layers = out.shape(0), rows = out.shape(1), columns = out.shape(2);
  auto* voxels = writable<std::uint8_t>(out, {layers, rows, columns}, "out");
  Batch batch = scenes.batch();
  batch.scan.rows = rows;
  batch.scan.columns = columns;
  batch.scan.pixel_size = {&voxel_size, 1};
  const double first = -0.5 * static_cast<double>(layers - 1) * voxel_size;
  const Execution run = execution(resolve_threads(n_threads));
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
  const VolumeProjection projection{.volume = volume.data(),
                                    .nz = volume.shape(0),
                                    .ny = volume.shape(1),
                                    .nx = volume.shape(2),
                                    .voxel_size = voxel_size,
                                    .orientation = orientation.data(),
                                    .images = images,
                                    .side = side,
                                    .rows = rows,
                                    .columns = columns};
  const Execution run = execution(resolve_threads(n_threads));
  const py::gil_scoped_release release;
  kernels().project_volume(projection, pixels, run);
}

}  // namespace

void bind_render(py::module_& m) {
  PYBIND11_NUMPY_DTYPE(FilmSettings, depth, roughness, correlation, hurst, wedge, wedge_direction,
                       edge_distance, edge_direction, edge_curvature, edge_taper);
  PYBIND11_NUMPY_DTYPE(Stray, drift_x, drift_y, drift_decay, row_jitter, mains_x, mains_y, mains_rate,
                       mains_phase, lag, lag_decay);
  PYBIND11_NUMPY_DTYPE(ScatteringCurve, c1, c2, c3, limit, lost);
  m.attr("curve_dtype") = py::dtype::of<ScatteringCurve>();
  m.attr("film_dtype") = py::dtype::of<FilmSettings>();
  m.attr("stray_dtype") = py::dtype::of<Stray>();
  py::class_<Scenes>(m, "Scenes", "The solids of a batch of images, and where they stand.")
      .def(py::init<Array<std::uint8_t>, Array<std::int64_t>, Array<double>, Array<std::int64_t>,
                    Array<double>, Array<std::int64_t>, Array<std::int32_t>, Array<std::int64_t>,
                    Array<std::int32_t>, Array<double>, Array<double>, Array<double>>(),
           py::kw_only(), py::arg("kind"), py::arg("plane_offset"), py::arg("planes"),
           py::arg("vertex_offset"), py::arg("vertices"), py::arg("triangle_offset"), py::arg("triangles"),
           py::arg("image_offset"), py::arg("shape"), py::arg("position"), py::arg("orientation"),
           py::arg("weight"))
      .def_property_readonly("images", &Scenes::images);
  py::class_<Scanning>(m, "Scanning", "How each image of a batch is scanned.")
      .def(py::init<std::int64_t, bool, Array<double>, Array<double>, Array<double>, Array<Stray>,
                    Array<std::int64_t>, Array<double>, Array<std::int64_t>, Array<double>, Array<double>>(),
           py::kw_only(), py::arg("oversample"), py::arg("pose_per_pixel"), py::arg("pixel_size"),
           py::arg("dwell"), py::arg("flyback"), py::arg("stray").noconvert(), py::arg("frame"),
           py::arg("spin"), py::arg("path_offset"), py::arg("path_time"), py::arg("path_turn"))
      .def_property_readonly("images", &Scanning::images);
  m.def("thickness", &thickness, py::arg("scenes"), py::arg("scanning"), py::arg("out"), py::kw_only(),
        py::arg("seed"), py::arg("first_index"), py::arg("frames"), py::arg("engine"), py::arg("n_threads"));
  m.def("scan_path", &scan_path, py::arg("scenes"), py::arg("scanning"), py::kw_only(), py::arg("image"),
        py::arg("rows"), py::arg("columns"), py::arg("seed"), py::arg("first_index"), py::arg("frames"));
  m.def("simulate", &simulate, py::arg("scenes"), py::arg("scanning"), py::arg("out"), py::kw_only(),
        py::arg("film").noconvert(), py::arg("curve").noconvert(), py::arg("bright_field"),
        py::arg("probe_sigma"), py::arg("electrons"), py::arg("gain"), py::arg("offset"),
        py::arg("read_noise"), py::arg("tail_fraction"), py::arg("tail_gamma"), py::arg("excess_noise"),
        py::arg("decay"), py::arg("convergence"), py::arg("focus"), py::arg("slabs"), py::arg("clipped"),
        py::arg("seed"), py::arg("first_index"), py::arg("frames"), py::arg("engine"), py::arg("n_threads"),
        py::arg("expected") = false);
  m.def("voxelize", &voxelize, py::arg("scenes"), py::arg("out"), py::kw_only(), py::arg("voxel_size"),
        py::arg("n_threads"));
  m.def("project_volume", &project_volume, py::arg("volume"), py::arg("orientation"), py::arg("out"),
        py::kw_only(), py::arg("voxel_size"), py::arg("side"), py::arg("n_threads"));
}

}  // namespace stemfast::bindings
