// What the sources of one instruction set's copy offer its table in kernels.cpp.
#pragma once

#include <cstdint>

#include "stemfast/isa.hpp"
#include "stemfast/kernels.hpp"

namespace stemfast {
inline namespace STEMFAST_ISA {

void thickness(const Batch& batch, Engine engine, float* out, const Execution& execution);
void simulate(const Batch& batch, const RecordingTable& recording, Engine engine, PixelType type, void* out,
              std::int64_t* clipped, const Execution& execution);
void scan_path(const Batch& batch, std::int64_t image, double* time, double* x, double* y, double* turn);
void voxelize(const Batch& batch, std::int64_t layers, double first_layer, double spacing, std::uint8_t* out,
              const Execution& execution);
void project_volume(const VolumeProjection& projection, float* out, const Execution& execution);
void chords(const HalfSpaces& body, const double* x, const double* y, std::int64_t pixels, double* t,
            double* jacobian);
void misfits(const HalfSpaces& bodies, const CoarseImage& image, double* out);
void expected_electrons(const Optics& optics, const double* t, double* electrons, double* by_depth);
double log_likelihood(const CountedImage& image, const double* electrons);
void error_bars(const CountedImage& image, const double* electrons, double* residual, double* scale);
void blur_bands(const double* image, const Bands& rows, const Bands& columns, double* out);
void weighted_jacobian(const WeightedJacobian& jacobian, double* out);
void convolve(const Layer& layer, float* out, const Execution& execution);

extern const Kernels table;

}  // namespace STEMFAST_ISA
}  // namespace stemfast
