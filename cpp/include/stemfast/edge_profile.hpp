// The profile of brightness across a side of an outline, compared with blurred wedges, steps and rims: where
// the particle ends. python/stemfast/finding/outline/profile.py has the model.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <optional>
#include <span>
#include <vector>

#include "stemfast/elementary.hpp"
#include "stemfast/normal_curve.hpp"

namespace stemfast {

// How far a profile reaches outwards and inwards in an image of a sharp probe [px].
inline constexpr double outside_px = 4.0, inside_px = 5.0;
// Least Gaussian width of the blur [px].
inline constexpr double sharpest_px = 0.3;
inline constexpr double bin_px = 0.5, step_px = 0.1;
// Places are tried from −30 to 30 steps, bends at these numbers of steps beyond.
inline constexpr std::int64_t farthest_step = 30, place_count = 2 * farthest_step + 1;
inline constexpr std::array<std::int64_t, 8> bend_steps{1, 3, 5, 8, 12, 17, 23, 30};
inline constexpr std::size_t fewest_bins = 6;
// A convex particle rises from its outline to its summit: less than this share of the mean slope is a tail of
// the probe or a shell, not its edge.
inline constexpr double least_slope_share = 0.35;
inline constexpr double unknown_px = 1.0, least_outside_px = 1.0;
// Share of the brightness from which a particle is as thick at a face as in its middle.
inline constexpr double even_share = 0.8;
// Prior weight of an edge that bends, all bends together, over one that does not; of an ellipsoid's.
inline constexpr double bent_prior = 0.05, round_prior = 1.0;
inline constexpr double least_noise_share = 1e-3;

// What the noise of a pixel follows from: deviations of the smoothed film and of a pixel on the particle, the
// Gaussian width of that smoothing [px], the particle's brightness.
struct EdgeNoise {
  double film, pixel, smoothing_px, bright;

  // Variance of a pixel: that of the film, growing with brightness to that of the particle.
  double variance(double mean) const {
    const double smoothing = 2.0 * std::sqrt(std::numbers::pi) * std::max(smoothing_px, 0.3);
    const double high = pixel * pixel;
    const double low = std::min(smoothing * film * (smoothing * film), high);
    const double share = std::clamp(mean / std::max(bright, 1e-30), 0.0, 1.5);
    const double floor = least_noise_share * bright;
    return low + share * (high - low) + floor * floor;
  }
};

// Distance of a side inwards of the drawn one and its standard deviation [px], the same if the particle ends
// in a steep face there, and the logarithm of how much likelier the profile is then.
struct EdgePlace {
  double shift = 0.0, sd = unknown_px, steep_shift = 0.0, steep_sd = unknown_px, odds = 0.0;
};

// A pixel: how far inwards of the side it lies [px], and its brightness.
struct EdgePixel {
  double inwards, value;
};

// Brightness across a side in bins of the distance inwards.
class EdgeProfile {
 public:
  // Of pixels at distances inwards of a side; none of too few. `depth` is the distance from the side to the
  // particle's middle, `wide` how far to look, in units of a sharp image's.
  static std::optional<EdgeProfile> of(std::span<const EdgePixel> pixels, const EdgeNoise& noise,
                                       double depth, double wide, bool round) {
    const double low = -outside_px * wide - wide;
    const double high = round ? std::max(inside_px * wide, 0.5 * depth) : inside_px * wide;
    std::vector<Bin> bins(static_cast<std::size_t>(std::floor((high - low) / bin_px)) + 2);
    std::size_t used = 0;
    for (const EdgePixel& pixel : pixels) {
      if (!(pixel.inwards > low && pixel.inwards < high)) continue;
      Bin& bin = bins[static_cast<std::size_t>(std::floor((pixel.inwards - low) / bin_px))];
      bin.at += pixel.inwards;
      bin.value += pixel.value;
      bin.count += 1.0;
      ++used;
    }
    std::erase_if(bins, [](const Bin& bin) { return bin.count == 0.0; });
    if (used < fewest_bins || bins.size() < fewest_bins) return std::nullopt;
    EdgeProfile profile;
    for (const Bin& bin : bins) {
      const double mean = bin.value / bin.count;
      profile.at_.push_back(bin.at / bin.count);
      profile.mean_.push_back(mean);
      profile.weight_.push_back(bin.count / noise.variance(mean));
    }
    profile.step_ = step_px * wide;
    profile.depth_ = depth;
    profile.bright_ = noise.bright;
    profile.least_ = least_slope_share * noise.bright / std::max(depth, 1.0);
    profile.round_ = round;
    return profile;
  }

  double step() const { return step_; }
  // How far inwards a place lies that is tried [px].
  double shift_of(std::size_t place) const {
    return step_ * (static_cast<double>(place) - static_cast<double>(farthest_step));
  }
  double outermost() const { return at_.front(); }

  // Reduced chi squared of the best model, at least 1: by so much all is less sure.
  double softness(double best) const {
    double total = 0.0;
    for (std::size_t k = 0; k < at_.size(); ++k) total += weight_[k] * (mean_[k] * mean_[k]);
    const double free = std::max(static_cast<double>(at_.size()) - 4.0, 1.0);
    return std::max(std::max(total - best, 0.0) / free, 1.0);
  }

  // Chi squared that a model explains for each place, with the model's prior.
  struct Model {
    double prior;
    std::array<double, place_count> explained;
  };

  // All models' gains over nothing at all. `even` is what a steep face of a particle of even thickness
  // explains: nothing where the step is much lower than the particle, as its thickness is not even then.
  struct Gains {
    std::vector<Model> models;
    std::array<double, place_count> even;

    double best() const {
      double most = models.front().explained.front();
      for (const Model& model : models) {
        most = std::max(most, *std::max_element(model.explained.begin(), model.explained.end()));
      }
      return most;
    }
    // exp((explained − best)/soft) of one place, over all models by their priors.
    double likelihood(std::size_t place, double best, double soft) const {
      double sum = 0.0;
      for (const Model& model : models) sum += model.prior * weight_of(model.explained[place], best, soft);
      return sum;
    }
    double steep_likelihood(std::size_t place, double best, double soft) const {
      return weight_of(even[place], best, soft);
    }

   private:
    static double weight_of(double explained, double best, double soft) {
      const double power = (explained - best) / soft;
      return power > -700.0 ? exponential(power) : 0.0;
    }
  };

  Gains gains(double sigma) const {
    Gains found;
    add_wedges(sigma, found);
    if (round_) add_rims(sigma, found);
    return found;
  }

 private:
  struct Bin {
    double at = 0.0, value = 0.0, count = 0.0;
  };
  // Sums over the bins of two shapes' products with themselves, each other, and the profile.
  struct Products {
    double aa = 0.0, ab = 0.0, bb = 0.0, ya = 0.0, yb = 0.0;

    void add(double a, double b, double weight, double mean) {
      aa += a * a * weight;
      ab += a * b * weight;
      bb += b * b * weight;
      ya += a * (weight * mean);
      yb += b * (weight * mean);
    }
    // Amplitudes of both by least squares.
    std::array<double, 2> amplitudes(double share) const {
      const double det = std::max(aa * bb - ab * ab, share * aa * bb + 1e-300);
      return {(ya * bb - yb * ab) / det, (yb * aa - ya * ab) / det};
    }
  };

  // A bare wedge, one with each bend, and a step: see the header's first lines.
  void add_wedges(double sigma, Gains& to) const {
    constexpr auto places = static_cast<std::size_t>(place_count);
    constexpr std::size_t tried = places + static_cast<std::size_t>(farthest_step);
    using Row = std::array<double, tried>;
    Row square{}, seen{}, height{}, face{};
    std::array<Row, bend_steps.size()> crossed{};
    for (std::size_t k = 0; k < at_.size(); ++k) {
      const double weight = weight_[k], weighted = weight * mean_[k];
      Row wedge, risen;
      for (std::size_t place = 0; place < tried; ++place) {
        const double x = at_[k] - shift_of(place);
        const auto [below, density] = NormalCurve::at(x / sigma);
        risen[place] = below;
        wedge[place] = x * below + sigma * density;
      }
      for (std::size_t place = 0; place < tried; ++place) {
        square[place] += wedge[place] * wedge[place] * weight;
        seen[place] += wedge[place] * weighted;
        height[place] += risen[place] * weighted;
        face[place] += risen[place] * risen[place] * weight;
      }
      for (std::size_t bend = 0; bend < bend_steps.size(); ++bend) {
        const double* other = wedge.data() + bend_steps[bend];
        Row& product = crossed[bend];
        for (std::size_t place = 0; place < places; ++place) {
          product[place] += wedge[place] * weight * other[place];
        }
      }
    }
    to.models.assign(1 + bend_steps.size(), {bent_prior / static_cast<double>(bend_steps.size()), {}});
    to.models.front().prior = 1.0;
    for (std::size_t place = 0; place < places; ++place) {
      const double step = std::max(face[place], 1e-300);
      const bool high = height[place] > even_share * bright_ * step;
      to.even[place] = high ? height[place] * height[place] / step : 0.0;
      const double alone = seen[place] / std::max(square[place], 1e-300);
      to.models[0].explained[place] = alone > least_ ? seen[place] * alone : 0.0;
      for (std::size_t bend = 0; bend < bend_steps.size(); ++bend) {
        const std::size_t second = place + static_cast<std::size_t>(bend_steps[bend]);
        const Products sums{square[place], crossed[bend][place], square[second], seen[place], seen[second]};
        const auto [a, b] = sums.amplitudes(1e-13);
        to.models[1 + bend].explained[place] = a > least_ && b <= 0.0 ? a * sums.ya + b * sums.yb : 0.0;
      }
    }
  }

  // The rim of an ellipsoid, a·s − b·s² with s = √(1 − (1 − d/R)²), and a step.
  void add_rims(double sigma, Gains& to) const {
    const double fine = std::min(step_, step_px), wide = std::max(1.0, sigma);
    const auto number = [fine](double d) { return static_cast<std::int64_t>(std::ceil(d / fine)); };
    const std::int64_t first = number(-12.0 * wide);
    const auto n = static_cast<std::size_t>(number(0.5 * depth_ + 15.0 * wide) - first);
    std::vector<double> ball(n), bent(n), flat(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t place = first + static_cast<std::int64_t>(i);
      const double d = fine * static_cast<double>(place);
      const double inner = std::clamp(d / depth_, 0.0, 1.0);
      bent[i] = inner * (2.0 - inner);
      ball[i] = std::sqrt(bent[i]);
      flat[i] = place > 0 ? 1.0 : place == 0 ? 0.5 : 0.0;
    }
    const std::vector<double> kernel = gaussian(sigma / fine);
    for (std::vector<double>* shape : {&ball, &bent, &flat}) *shape = smoothed(*shape, kernel);
    Model round{round_prior, {}}, step{1.0, {}};
    for (std::size_t place = 0; place < static_cast<std::size_t>(place_count); ++place) {
      const double from = shift_of(place);
      Products sums;
      double level = 0.0, square = 0.0;
      for (std::size_t k = 0; k < at_.size(); ++k) {
        const double x =
            std::clamp((at_[k] - from) / fine - static_cast<double>(first), 0.0, static_cast<double>(n - 1));
        const std::size_t i = std::min(static_cast<std::size_t>(x), n - 2);
        const double part = x - static_cast<double>(i);
        const auto between = [i, part](const std::vector<double>& shape) {
          return shape[i] + part * (shape[i + 1] - shape[i]);
        };
        sums.add(between(ball), between(bent), weight_[k], mean_[k]);
        const double face = between(flat);
        level += face * (weight_[k] * mean_[k]);
        square += face * face * weight_[k];
      }
      const auto [a, b] = sums.amplitudes(1e-12);
      // s alone is steepest at the rim; s² rises there as a wedge does.
      const double alone = std::max(sums.yb, 0.0);
      round.explained[place] =
          a > 0.0 ? a * sums.ya + b * sums.yb : alone * alone / std::max(sums.bb, 1e-300);
      step.explained[place] = level * level / (square + 1e-300);
    }
    to.models.push_back(round);
    to.models.push_back(step);
  }

  // Samples of a Gaussian to four widths, of sum 1; its width is in samples.
  static std::vector<double> gaussian(double width) {
    const auto radius = static_cast<std::int64_t>(4.0 * width + 0.5);
    std::vector<double> kernel;
    double sum = 0.0;
    for (std::int64_t i = -radius; i <= radius; ++i) {
      const auto x = static_cast<double>(i);
      kernel.push_back(exponential(-0.5 * x * x / (width * width)));
      sum += kernel.back();
    }
    for (double& k : kernel) k /= sum;
    return kernel;
  }

  // Convolution with a kernel of odd length; the ends go on for ever.
  static std::vector<double> smoothed(const std::vector<double>& shape, const std::vector<double>& kernel) {
    const std::size_t radius = kernel.size() / 2;
    std::vector<double> longer(radius, shape.front());
    longer.insert(longer.end(), shape.begin(), shape.end());
    longer.insert(longer.end(), radius, shape.back());
    std::vector<double> out(shape.size(), 0.0);
    for (std::size_t j = 0; j < kernel.size(); ++j) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += kernel[j] * longer[i + j];
    }
    return out;
  }

  std::vector<double> at_, mean_, weight_;
  double step_ = step_px, depth_ = 1.0, bright_ = 1.0, least_ = 0.0;
  bool round_ = false;
};

// The mean of places weighted by how likely they are, and its standard deviation.
class MeanPlace {
 public:
  void add(double shift, double likelihood) {
    weight_ += likelihood;
    first_ += likelihood * shift;
    second_ += likelihood * shift * shift;
  }
  double weight() const { return weight_; }
  double shift() const { return first_ / std::max(weight_, 1e-300); }
  double sd(double step) const {
    const double mean = shift(), square = second_ / std::max(weight_, 1e-300);
    return std::sqrt(std::max(square - mean * mean, 0.0) + step * step / 12.0);
  }

 private:
  double weight_ = 0.0, first_ = 0.0, second_ = 0.0;
};

// The place of a side by its profile; unknown where nothing is seen outside of it, as along the image's edge.
inline EdgePlace place_of(const std::optional<EdgeProfile>& profile, double blur_px) {
  if (!profile || profile->outermost() > -least_outside_px) return {};
  const EdgeProfile::Gains gains = profile->gains(std::max(blur_px, sharpest_px));
  const double best = gains.best(), soft = 2.0 * profile->softness(best);
  MeanPlace free, steep;
  for (std::size_t place = 0; place < static_cast<std::size_t>(place_count); ++place) {
    const double shift = profile->shift_of(place);
    free.add(shift, gains.likelihood(place, best, soft));
    steep.add(shift, gains.steep_likelihood(place, best, soft));
  }
  return {free.shift(), free.sd(profile->step()), steep.shift(), steep.sd(profile->step()),
          std::log(std::max(steep.weight() / free.weight(), 1e-30))};
}

// Logarithm of how likely a profile is for each width of the blur, over all places and models, and with steep
// faces in a share `side` of the cases; both are added to what is there.
inline void add_evidence(const EdgeProfile& profile, std::span<const double> widths_px, double side,
                         std::span<double> free, std::span<double> steep) {
  std::vector<EdgeProfile::Gains> tried;
  for (const double width : widths_px) tried.push_back(profile.gains(std::max(width, sharpest_px)));
  double best = tried.front().best();
  for (const auto& gains : tried) best = std::max(best, gains.best());
  const double soft = 2.0 * profile.softness(best);
  for (std::size_t k = 0; k < tried.size(); ++k) {
    double any = 0.0, even = 0.0;
    for (std::size_t place = 0; place < static_cast<std::size_t>(place_count); ++place) {
      any += tried[k].likelihood(place, best, soft);
      even += tried[k].steep_likelihood(place, best, soft);
    }
    any = std::max(any, 1e-300);
    free[k] += std::log(any);
    steep[k] += std::log((1.0 - side) * any + side * even);
  }
}

}  // namespace stemfast
