// The line along which an image has a level: marching squares.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace stemfast {

struct LinePoint {
  double row, column;
};

// Area within a closed line, positive where it turns from columns towards rows.
inline double enclosed_area(const std::vector<LinePoint>& line) {
  double twice = 0.0;
  for (std::size_t k = 0; k < line.size(); ++k) {
    const LinePoint &a = line[k], &b = line[(k + 1) % line.size()];
    twice += a.column * b.row - b.column * a.row;
  }
  return 0.5 * twice;
}

// Lines around everything above a level in an image whose surroundings are not above it; straight between
// where they cross from pixel to pixel. Two bright pixels that touch at a corner alone are apart.
class LevelLines {
 public:
  LevelLines(const double* image, std::int64_t rows, std::int64_t columns, double level)
      : image_(image), rows_(rows), columns_(columns), level_(level) {}

  // The closed line around the largest area; empty where nothing is above the level.
  std::vector<LinePoint> largest() const {
    std::vector<char> passed(static_cast<std::size_t>((rows_ + 2) * (columns_ + 2)), 0);
    std::vector<LinePoint> best;
    double most = -1.0;
    for (std::int64_t r = 0; r < rows_; ++r) {
      for (std::int64_t c = 0; c < columns_; ++c) {
        // Every line crosses from a pixel that is not above to one on its right that is.
        if (!above(r, c) || above(r, c - 1) || passed[index(r, c)]) continue;
        std::vector<LinePoint> line = around(r, c, passed);
        const double area = std::abs(enclosed_area(line));
        if (area > most) {
          most = area;
          best = std::move(line);
        }
      }
    }
    return best;
  }

 private:
  struct Step {
    std::int64_t row, column;
  };
  static constexpr std::array<Step, 4> turns{{{0, -1}, {-1, 0}, {0, 1}, {1, 0}}};  // left, up, right, down

  std::size_t index(std::int64_t r, std::int64_t c) const {
    return static_cast<std::size_t>((r + 1) * (columns_ + 2) + c + 1);
  }
  bool inside(std::int64_t r, std::int64_t c) const { return r >= 0 && c >= 0 && r < rows_ && c < columns_; }
  double value(std::int64_t r, std::int64_t c) const { return inside(r, c) ? image_[r * columns_ + c] : 0.0; }
  bool above(std::int64_t r, std::int64_t c) const { return inside(r, c) && value(r, c) > level_; }

  // Follows the border of the bright piece that starts at a pixel whose left neighbour is not above: from the
  // side of a bright pixel to the next, clockwise around the bright ones.
  std::vector<LinePoint> around(std::int64_t row, std::int64_t column, std::vector<char>& passed) const {
    std::vector<LinePoint> line;
    std::int64_t r = row, c = column;
    std::size_t side = 0;  // of the bright pixel, towards the one that is not above
    do {
      const Step out = turns[side], on = turns[(side + 1) % 4];
      if (side == 0) passed[index(r, c)] = 1;
      const double own = value(r, c), other = value(r + out.row, c + out.column);
      const double part = (level_ - own) / (other - own);
      line.push_back({static_cast<double>(r) + part * static_cast<double>(out.row),
                      static_cast<double>(c) + part * static_cast<double>(out.column)});
      // Of the square ahead, its pixel beside the bright one and the one across.
      if (!above(r + on.row, c + on.column)) {
        side = (side + 1) % 4;
      } else if (!above(r + on.row + out.row, c + on.column + out.column)) {
        r += on.row;
        c += on.column;
      } else {
        r += on.row + out.row;
        c += on.column + out.column;
        side = (side + 3) % 4;
      }
    } while (r != row || c != column || side != 0);
    return line;
  }

  const double* image_;
  std::int64_t rows_, columns_;
  double level_;
};

}  // namespace stemfast
