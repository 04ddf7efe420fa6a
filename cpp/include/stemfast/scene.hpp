// What a batch of images shows and how each is taken: structures of arrays, owned by the caller.
// They are plain data, shared by the copies of the stages that are compiled per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stemfast {

enum class ShapeKind : std::uint8_t { convex = 0, ellipsoid = 1, mesh = 2 };

// A table of solids, each in its particle's own frame, in nm. Solid s owns
//   convex:    planes plane_offset[s] … plane_offset[s+1] as rows (nx, ny, nz, d) with n·x ≤ d, and its
//              vertices, which bound its projection;
//   ellipsoid: three planes, (1,0,0,a) (0,1,0,b) (0,0,1,c), whose d are the semi-axes, and one vertex:
//              its centre;
//   mesh:      vertices, and triangles as indices into them, counter-clockwise seen from outside.
struct ShapeTable {
  std::span<const std::uint8_t> kind;
  std::span<const std::int64_t> plane_offset;
  std::span<const double> planes;
  std::span<const std::int64_t> vertex_offset;
  std::span<const double> vertices;
  std::span<const std::int64_t> triangle_offset;
  std::span<const std::int32_t> triangles;
  std::int64_t max_planes = 0;
  std::int64_t max_vertices = 0;
};

// Where the solids stand: image i shows bodies image_offset[i] … image_offset[i+1].
struct BodyTable {
  std::span<const std::int64_t> image_offset;
  std::span<const std::int32_t> shape;
  std::span<const double> position;     // (n, 3) [nm]; z does not change a projection
  std::span<const double> orientation;  // (n, 4) unit quaternions (x, y, z, w), pose at mid-frame
  std::span<const double> weight;       // multiplies the body's thickness; negative for voids
};

// How the beam strays from its grid during one image. Its fields and those of `FilmSettings` are also the
// fields of NumPy dtypes.
struct Stray {
  double drift_x;      // [nm/s]
  double drift_y;      // [nm/s]
  double drift_decay;  // time constant of the drift velocity [s]; 0 for a constant one
  double row_jitter;   // rms of each row's shift in x and in y [nm]
  double mains_x;      // amplitude [nm]
  double mains_y;      // amplitude [nm]
  double mains_rate;   // [1/s]
  double mains_phase;  // at the start of the first frame [turns]
  double lag;          // how far behind the beam is at the start of a row [nm]
  double lag_decay;    // time constant of catching up [s]

  // Whether the beam ever leaves the grid.
  bool any() const {
    return drift_x != 0.0 || drift_y != 0.0 || row_jitter != 0.0 || mains_x != 0.0 || mains_y != 0.0 ||
           lag != 0.0;
  }
};

// How each image is scanned. Spans have one entry per image unless said.
struct ScanTable {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t oversample = 1;                // sub-samples per pixel side, averaged
  bool pose_per_pixel = false;                // else a row has the pose of its middle
  std::span<const double> pixel_size;         // [nm]
  std::span<const double> dwell;              // [s]
  std::span<const double> flyback;            // [s]
  std::span<const Stray> stray;               // all zero for a beam that keeps to its grid
  std::span<const std::int64_t> frame;        // number of the frame in its series; the clock runs on
  std::span<const double> spin;               // (n, 3) angular velocity in the laboratory frame [rad/s]
  std::span<const std::int64_t> path_offset;  // (n + 1): image i turns through path rows …[i] to …[i+1]
  std::span<const double> path_time;          // from the start of the first frame [s], rising
  std::span<const double> path_turn;          // (m, 4) quaternions, applied after the image's orientation
};

// The film under one image. Lengths along the beam are divided by the film's mean free path.
struct FilmSettings {
  double depth;            // mean thickness
  double roughness;        // rms; 0 for a smooth film
  double correlation;      // length ξ [nm]
  double hurst;            // exponent H
  double wedge;            // gradient of the thickness [1/nm]
  double wedge_direction;  // where the film gets thicker, from x to y [degrees]
  double edge_distance;    // from the scan's centre to the edge of a hole [nm]
  double edge_direction;   // where the hole lies, from x to y [degrees]
  double edge_curvature;   // 1 / radius of the hole [1/nm]; 0 for a straight edge
  double edge_taper;       // how far from the edge the film thins [nm]; negative for no hole

  bool has_edge() const { return edge_taper >= 0.0; }
};

// How each image is recorded; one entry per image.
// Plural scattering as a function of depth, by the numbers of `PluralScattering`.
struct ScatteringCurve {
  double c1, c2, c3, limit, lost;
};

struct RecordingTable {
  std::span<const FilmSettings> film;
  std::span<const ScatteringCurve> curve;
  std::span<const std::uint8_t> bright_field;  // 1: the detector collects what is not scattered
  std::span<const double> probe_sigma;         // [px]
  std::span<const double> electrons;           // incident electrons per pixel
  std::span<const double> gain;                // detector units per electron
  std::span<const double> offset;              // detector units
  std::span<const double> read_noise;          // rms, detector units
  std::span<const double> tail_fraction;       // share of the probe's intensity in its tail
  std::span<const double> tail_gamma;          // half width of the tail's profile [px]
  std::span<const double> excess_noise;        // variance of one electron's charge, its mean being 1
  std::span<const double> convergence;         // semi-angle for the depth of focus [rad]; 0 for none
  std::span<const double> focus;               // z of the focus [nm]
  std::span<const std::int64_t> slabs;         // that the depth is cut into
  std::span<const double> decay;               // time constant of the detector's afterglow [s]
};

// Random numbers of image `first_index + i` of `seed` are the same in whatever batch it stands.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint64_t first_index = 0;
  std::int64_t frames = 1;  // images of a batch that share an index: the frames of one series
};

struct Batch {
  ShapeTable shapes;
  BodyTable bodies;
  ScanTable scan;
  RandomKey key;
  std::int64_t images() const { return static_cast<std::int64_t>(bodies.image_offset.size()) - 1; }
};

enum class Engine : std::uint8_t { exact = 0, voxel = 1 };
// The last one is float32 too: the mean number of electrons, in place of counts that were read out.
enum class PixelType : std::uint8_t { u8 = 0, u16 = 1, f32 = 2, expected = 3 };

}  // namespace stemfast
