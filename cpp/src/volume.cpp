// Projections of a density volume in any orientation; compiled once per instruction set.
#include <algorithm>
#include <cmath>
#include <vector>

#include "stages.hpp"
#include "stemfast/quaternion.hpp"
#include "stemfast/view.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {
namespace {

// Trilinear interpolation of a volume that is zero outside.
class Density {
 public:
  explicit Density(const VolumeProjection& p) : p_(p) {}

  double at(double x, double y, double z) const {
    const double fx = std::floor(x), fy = std::floor(y), fz = std::floor(z);
    const auto i = static_cast<std::int64_t>(fx), j = static_cast<std::int64_t>(fy),
               k = static_cast<std::int64_t>(fz);
    const double u = x - fx, v = y - fy, w = z - fz;
    const auto line = [&](std::int64_t jj, std::int64_t kk) {
      return (1.0 - u) * voxel(i, jj, kk) + u * voxel(i + 1, jj, kk);
    };
    return (1.0 - w) * ((1.0 - v) * line(j, k) + v * line(j + 1, k)) +
           w * ((1.0 - v) * line(j, k + 1) + v * line(j + 1, k + 1));
  }

 private:
  double voxel(std::int64_t i, std::int64_t j, std::int64_t k) const {
    if (i < 0 || i >= p_.nx || j < 0 || j >= p_.ny || k < 0 || k >= p_.nz) return 0.0;
    return p_.volume[(k * p_.ny + j) * p_.nx + i];
  }

  const VolumeProjection& p_;
};

// The samples 0 … n − 1 for which start + sample·step lies in (−1, size), where interpolation can be
// non-zero.
Range samples_inside(double start, double step, std::int64_t size, Range samples) {
  const auto limit = static_cast<double>(size);
  if (std::abs(step) < 1e-12) return start > -1.0 && start < limit ? samples : Range{0, 0};
  double low = (-1.0 - start) / step, high = (limit - start) / step;
  if (low > high) std::swap(low, high);
  const auto first = static_cast<double>(samples.begin), last = static_cast<double>(samples.end);
  const Range inside{static_cast<std::int64_t>(std::clamp(std::floor(low), first, last)),
                     static_cast<std::int64_t>(std::clamp(std::ceil(high) + 1.0, first, last))};
  return intersect(samples, inside);
}

}  // namespace

// Each image is Σ over the beam of the interpolated density, sampled on the voxel lattice turned by the
// pose. Sampling a turned lattice changes the total a little (below 1e-3 for smooth volumes); the image
// is scaled so that its sum is the volume's.
void project_volume(const VolumeProjection& p, float* out, const Execution& execution) {
  const std::int64_t n = p.side;
  const double middle = 0.5 * static_cast<double>(n - 1);
  const Density density(p);
  double mass = 0.0;
  for (std::int64_t v = 0; v < p.nz * p.ny * p.nx; ++v) mass += static_cast<double>(p.volume[v]);

  std::vector<double> field(static_cast<std::size_t>(n * n)), row_mass(static_cast<std::size_t>(n));
  for (std::int64_t image = 0; image < p.images; ++image) {
    const double* q = p.orientation + 4 * image;
    // To look a laboratory point up in the volume it is turned back: by the transpose.
    const Matrix3 r = matrix({q[0], q[1], q[2], q[3]});
    const auto place = [&](double x, double y, double z, std::size_t axis, std::int64_t size) {
      return r[0][axis] * x + r[1][axis] * y + r[2][axis] * z + 0.5 * static_cast<double>(size - 1);
    };
    parallel_for(n, std::max<std::int64_t>(1, n / (8 * execution.n_threads)), execution.n_threads,
                 execution.stop, [&](int, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const double y = static_cast<double>(i) - middle;
                     double total = 0.0;
                     for (std::int64_t j = 0; j < n; ++j) {
                       const double x = static_cast<double>(j) - middle;
                       const double x0 = place(x, y, -middle, 0, p.nx);
                       const double y0 = place(x, y, -middle, 1, p.ny);
                       const double z0 = place(x, y, -middle, 2, p.nz);
                       Range samples = samples_inside(x0, r[2][0], p.nx, {0, n});
                       samples = samples_inside(y0, r[2][1], p.ny, samples);
                       samples = samples_inside(z0, r[2][2], p.nz, samples);
                       double sum = 0.0;
                       for (std::int64_t k = samples.begin; k < samples.end; ++k) {
                         const auto t = static_cast<double>(k);
                         sum += density.at(x0 + t * r[2][0], y0 + t * r[2][1], z0 + t * r[2][2]);
                       }
                       field[static_cast<std::size_t>(i * n + j)] = sum;
                       total += sum;
                     }
                     row_mass[static_cast<std::size_t>(i)] = total;
                   }
                 });
    double sampled = 0.0;
    for (const double m : row_mass) sampled += m;
    const double scale = p.voxel_size * (sampled != 0.0 ? mass / sampled : 1.0);
    const std::int64_t top = (n - p.rows) / 2, left = (n - p.columns) / 2;
    for (std::int64_t i = 0; i < p.rows; ++i) {
      for (std::int64_t j = 0; j < p.columns; ++j) {
        out[(image * p.rows + i) * p.columns + j] =
            static_cast<float>(scale * field[static_cast<std::size_t>((top + i) * n + left + j)]);
      }
    }
  }
}

}  // namespace STEMFAST_ISA
}  // namespace stemfast
