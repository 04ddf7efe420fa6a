// The stages as the bindings see them: one table of functions per instruction set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stemfast/convolution.hpp"
#include "stemfast/fit.hpp"
#include "stemfast/parallel.hpp"
#include "stemfast/scene.hpp"

namespace stemfast {

struct Execution {
  int n_threads = 1;
  StopRequest stop;
};

// A density volume [z, y, x] and the image it is projected onto.
struct VolumeProjection {
  const float* volume;
  std::int64_t nz, ny, nx;
  double voxel_size;          // [nm]
  const double* orientation;  // (images, 4)
  std::int64_t images;
  std::int64_t side;           // of the square working field, which holds the volume in every pose
  std::int64_t rows, columns;  // of the images, cut from the middle of the working field
};

struct Kernels {
  const char* name;

  // float32 (images, rows, columns) [nm]
  void (*thickness)(const Batch&, Engine, float* out, const Execution&);

  // PixelType (images, rows, columns), and (images, 2): how many of its pixels were clipped above and below;
  // of `expected`, electrons before the dose's noise
  void (*simulate)(const Batch&, const RecordingTable&, Engine, PixelType, void* out, std::int64_t* clipped,
                   const Execution&);

  // Times [s], beam positions [nm] and the particles' turn (x, y, z, w) since their given pose, of every
  // pixel of one image: each (rows, columns) or (rows, columns, 4).
  void (*scan_path)(const Batch&, std::int64_t image, double* time, double* x, double* y, double* turn);

  // uint8 [layers, rows, columns]: how many of the batch's first image's bodies hold each voxel centre
  void (*voxelize)(const Batch&, std::int64_t layers, double first_layer, double spacing, std::uint8_t* out,
                   const Execution&);

  // float32 (images, rows, columns) [volume's unit · nm]
  void (*project_volume)(const VolumeProjection&, float* out, const Execution&);

  // Thickness (groups, pixels) at (x, y), and unless null its derivatives (groups, pixels, parameters).
  void (*chords)(const HalfSpaces&, const double* x, const double* y, std::int64_t pixels, double* t,
                 double* jacobian);
  // (groups,): sums of squares of what is left of an image
  void (*misfits)(const HalfSpaces&, const CoarseImage&, double* out);
  // Electrons (pixels,) of a thickness, and unless null their derivatives by the depth, before the blur.
  void (*expected_electrons)(const Optics&, const double* t, double* electrons, double* by_depth);
  double (*log_likelihood)(const CountedImage&, const double* electrons);
  // Residuals (pixels,) over their error bars, and derivatives of these by the electrons.
  void (*error_bars)(const CountedImage&, const double* electrons, double* residual, double* scale);
  // rows · image · columnsᵀ
  void (*blur_bands)(const double* image, const Bands& rows, const Bands& columns, double* out);
  // double (rows, columns, parameters + n_waves + 1)
  void (*weighted_jacobian)(const WeightedJacobian&, double* out);

  // Single stages, for tests and benchmarks.
  void (*scattered_fraction)(const ScatteringCurve&, float* depth, std::int64_t n);
  void (*blur)(float* image, std::int64_t rows, std::int64_t columns, double sigma, std::uint8_t boundary,
               const Execution&);
  // float32 (rows, columns): the film under image key.first_index, in the unit of its depth.
  void (*film)(const FilmSettings&, std::int64_t rows, std::int64_t columns, double pixel_size,
               const RandomKey& key, float* out, const Execution&);
  // Counts of pixels 0 … n − 1 of image key.first_index.
  void (*poisson)(const float* mean, std::int64_t n, const RandomKey& key, std::int32_t* counts,
                  const Execution&);
  // The exact quantiles of v = (bits + ½)/2^53, one at a time.
  void (*poisson_quantiles)(const std::uint64_t* bits, const double* mean, std::int64_t n, double* counts);
  void (*read_out)(const std::int32_t* counts, std::int64_t n, double gain, double offset, double read_noise,
                   const RandomKey&, PixelType, void* out);
  // image = (1 − fraction)·image + fraction·(the tail of half width gamma ∗ image)
  void (*add_tail)(float* image, std::int64_t rows, std::int64_t columns, double gamma, double fraction);
  // Charges of pixels 0 … n − 1 of image key.first_index.
  void (*multiply)(const std::int32_t* counts, std::int64_t n, double excess, const RandomKey&,
                   double* charge);
  void (*fade)(float* charge, std::int64_t rows, std::int64_t columns, double decay, double dwell,
               double flyback);

  // a/b of n pairs, the way that inner loops divide.
  void (*quotients)(const double* a, const double* b, std::int64_t n, double* out);

  // float (rows, filters, columns)
  void (*convolve)(const Layer&, float* out, const Execution&);

  // double (n, 4), orientations first_index … first_index + n − 1
  void (*haar_orientations)(const RandomKey&, std::int64_t n, double* out);
  // double (n, draws) in [0, 1): draws of `stage` for each image index
  void (*uniforms)(std::uint64_t seed, const std::uint64_t* index, std::int64_t n, std::uint32_t stage,
                   std::int64_t draws, double* out);
};

// The copies that were compiled in, slowest first.
const std::vector<const Kernels*>& compiled_kernels();

// Whether this processor can run the copy of that name.
bool processor_runs(const std::string& name);

// The table in use: STEMFAST_ISA where set, else the fastest that the processor runs. Throws
// ArgumentError for a name that was not compiled in or cannot run here.
const Kernels& kernels();

}  // namespace stemfast
