// Batch norm in training, with the ReLU after it, of channels_last maps on CPUs. Each pass reads the
// maps twice, for the sums and for the values, and writes them once; torch's own does all of it again
// for ReLU, and leaves vectors half empty where there are few channels.
//
// Sums are those of pieces of a fixed number of rows, added up in their order, so that they do not
// depend on the number of threads. The passes are in two parts each, so that several processes can
// put their sums together in between.

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "cpu_kernels.h"

namespace {

constexpr int64_t kPiece = 8192;  // values that are summed together, about: they fit the first cache

// Maps as rows of values, (images x height x width, channels). Of few channels several rows are taken
// for one, with their channels one after the other, so that vectors are filled.
struct Rows {
  int64_t count, channels, fold = 1;
  explicit Rows(const at::Tensor& images) : channels(images.size(1)) {
    TORCH_CHECK(is_channels_last(images), "images: must be (N, C, H, W) in channels_last");
    count = images.numel() / channels;
    while (channels * fold < kWidest && count % 2 == 0 && count > 0) {
      fold *= 2;
      count /= 2;
    }
  }
  int64_t wide() const { return channels * fold; }
  int64_t piece() const { return std::max<int64_t>(1, kPiece / wide()); }  // in rows
  int64_t pieces() const { return (count + piece() - 1) / piece(); }
};

// Calls body(size, piece, c, place, many) for each piece and each block of channels: the first channel
// of the block, where its first value is, and how many rows there are.
template <typename Body>
void over_blocks(const Rows& rows, const Body& body) {
  const int64_t wide = rows.wide();
  at::parallel_for(0, rows.pieces(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * rows.piece(), many = std::min(rows.piece(), rows.count - first);
      in_blocks(wide, [&](auto size, int64_t c) {
        body(size, piece, c, first * wide + c, many);
      });
    }
  });
}

// Mean of every channel, and the sum of squares about it: (2, channels).
at::Tensor moments(const at::Tensor& images) {
  const Rows rows(images);
  const auto type = images.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor result = at::empty({2, rows.channels}, images.options().dtype(type));
  by_type(images, [&](auto stored, auto computed) {
    using Stored = decltype(stored);
    using Wide = decltype(computed);
    const auto* maps = static_cast<const Stored*>(images.const_data_ptr());
    const int64_t wide = rows.wide();
    std::vector<Wide> found(rows.pieces() * 2 * wide);
    over_blocks(rows, [&](auto block, int64_t piece, int64_t c, int64_t place, int64_t many) {
      constexpr int64_t size = decltype(block)::value;
      Wide sum[size] = {}, mean[size], squares[size] = {};
      for (int64_t row = 0; row < many; ++row) {
        const Stored* __restrict__ x = maps + place + row * wide;
#pragma omp simd
        for (int64_t i = 0; i < size; ++i) sum[i] += widened(x[i]);
      }
      for (int64_t i = 0; i < size; ++i) mean[i] = sum[i] / Wide(many);
      for (int64_t row = 0; row < many; ++row) {
        const Stored* __restrict__ x = maps + place + row * wide;
#pragma omp simd
        for (int64_t i = 0; i < size; ++i) {
          const Wide away = widened(x[i]) - mean[i];
          squares[i] += away * away;
        }
      }
      std::copy_n(mean, size, found.data() + piece * 2 * wide + c);
      std::copy_n(squares, size, found.data() + (piece * 2 + 1) * wide + c);
    });
    // The moments of two parts give those of both (Chan, Golub and LeVeque 1979).
    for (int64_t c = 0; c < rows.channels; ++c) {
      double counted = 0, mean = 0, squares = 0;
      for (int64_t piece = 0; piece < rows.pieces(); ++piece) {
        const double more = std::min(rows.piece(), rows.count - piece * rows.piece());
        for (int64_t at = piece * 2 * wide + c; at < (piece * 2 + 1) * wide; at += rows.channels) {
          const double away = found[at] - mean;
          mean += away * more / (counted + more);
          squares += found[at + wide] + away * away * counted * more / (counted + more);
          counted += more;
        }
      }
      result.mutable_data_ptr<Wide>()[c] = mean;
      result.mutable_data_ptr<Wide>()[rows.channels + c] = squares;
    }
  });
  return result;
}

// Updates running moments with those of so many values a channel, as torch does.
void track(const at::Tensor& mean, const at::Tensor& variance, const at::Tensor& moments,
           double count, double momentum) {
  const auto run = [&](auto* means, auto* variances, const auto* known) {
    for (int64_t c = 0; c < mean.numel(); ++c) {
      means[c] += momentum * (known[c] - means[c]);
      variances[c] += momentum * (known[mean.numel() + c] / (count - 1) - variances[c]);
    }
  };
  if (mean.scalar_type() == at::kDouble) {
    run(mean.mutable_data_ptr<double>(), variance.mutable_data_ptr<double>(),
        moments.const_data_ptr<double>());
  } else {
    run(mean.mutable_data_ptr<float>(), variance.mutable_data_ptr<float>(),
        moments.const_data_ptr<float>());
  }
}

// What a value is multiplied by and what is added, for every channel, repeated as rows are folded.
template <typename Wide>
struct Line {
  std::vector<Wide> mean, inverse, scale;
  Line(const at::Tensor& moments, const at::Tensor& weight, double count, double epsilon,
       const Rows& rows)
      : mean(rows.wide()), inverse(rows.wide()), scale(rows.wide()) {
    const Wide* known = moments.const_data_ptr<Wide>();
    for (int64_t at = 0; at < rows.wide(); ++at) {
      const int64_t c = at % rows.channels;
      mean[at] = known[c];
      inverse[at] = 1 / std::sqrt(known[rows.channels + c] / count + epsilon);
      scale[at] = weight.const_data_ptr<Wide>()[c] * inverse[at];
    }
  }
};

at::Tensor forward(const at::Tensor& images, const at::Tensor& moments, const at::Tensor& weight,
                   const at::Tensor& bias, double count, double epsilon, bool relu) {
  const Rows rows(images);
  at::Tensor output = at::empty(images.sizes(), images.options(), at::MemoryFormat::ChannelsLast);
  by_type(images, [&](auto stored, auto computed) {
    using Stored = decltype(stored);
    using Wide = decltype(computed);
    const auto* maps = static_cast<const Stored*>(images.const_data_ptr());
    auto* written = static_cast<Stored*>(output.mutable_data_ptr());
    const Line<Wide> line(moments, weight, count, epsilon, rows);
    const Wide least = relu ? Wide(0) : -std::numeric_limits<Wide>::infinity();
    const int64_t wide = rows.wide();
    over_blocks(rows, [&](auto block, int64_t, int64_t c, int64_t place, int64_t many) {
      constexpr int64_t size = decltype(block)::value;
      Wide scale[size], shift[size];
      for (int64_t i = 0; i < size; ++i) {
        scale[i] = line.scale[c + i];
        shift[i] = bias.const_data_ptr<Wide>()[(c + i) % rows.channels] -
                   line.mean[c + i] * line.scale[c + i];
      }
      for (int64_t row = 0; row < many; ++row) {
        const Stored* __restrict__ x = maps + place + row * wide;
        Stored* __restrict__ y = written + place + row * wide;
#pragma omp simd
        for (int64_t i = 0; i < size; ++i) {
          const Wide value = widened(x[i]) * scale[i] + shift[i];
          narrowed(value < least ? least : value, y[i]);  // a NaN passes
        }
      }
    });
  });
  return output;
}

// Calls run(passes): whether the value at a place has passed ReLU.
template <typename Stored, typename Run>
void behind_relu(const at::Tensor& output, bool relu, const Run& run) {
  if (relu) {
    const auto* y = static_cast<const Stored*>(output.const_data_ptr());
    run([y](int64_t place) { return !(widened(y[place]) <= 0); });
  } else {
    run([](int64_t) { return true; });
  }
}

// Gradients of bias and weight: sums of the gradient behind ReLU, and of it times the normalised maps.
at::Tensor backward_sums(const at::Tensor& gradient, const at::Tensor& output,
                         const at::Tensor& images, const at::Tensor& moments,
                         const at::Tensor& weight, double count, double epsilon, bool relu) {
  const Rows rows(images);
  at::Tensor result = at::empty({2, rows.channels}, moments.options());
  by_type(images, [&](auto stored, auto computed) {
    using Stored = decltype(stored);
    using Wide = decltype(computed);
    const auto* maps = static_cast<const Stored*>(images.const_data_ptr());
    const auto* gradients = static_cast<const Stored*>(gradient.const_data_ptr());
    const Line<Wide> line(moments, weight, count, epsilon, rows);
    const int64_t wide = rows.wide();
    std::vector<Wide> found(rows.pieces() * 2 * wide);
    behind_relu<Stored>(output, relu, [&](auto passes) {
      over_blocks(rows, [&](auto block, int64_t piece, int64_t c, int64_t place, int64_t many) {
        constexpr int64_t size = decltype(block)::value;
        Wide mean[size], sum[size] = {}, product[size] = {};
        std::copy_n(line.mean.data() + c, size, mean);
        for (int64_t row = 0; row < many; ++row) {
          const int64_t at = place + row * wide;
          const Stored* __restrict__ x = maps + at;
          const Stored* __restrict__ g = gradients + at;
#pragma omp simd
          for (int64_t i = 0; i < size; ++i) {
            const Wide value = passes(at + i) ? widened(g[i]) : Wide(0);
            sum[i] += value;
            product[i] += value * (widened(x[i]) - mean[i]);
          }
        }
        std::copy_n(sum, size, found.data() + piece * 2 * wide + c);
        std::copy_n(product, size, found.data() + (piece * 2 + 1) * wide + c);
      });
    });
    for (int64_t c = 0; c < rows.channels; ++c) {
      double sum = 0, product = 0;
      for (int64_t piece = 0; piece < rows.pieces(); ++piece) {
        for (int64_t at = piece * 2 * wide + c; at < (piece * 2 + 1) * wide; at += rows.channels) {
          sum += found[at];
          product += found[at + wide];
        }
      }
      result.mutable_data_ptr<Wide>()[c] = sum;
      result.mutable_data_ptr<Wide>()[rows.channels + c] = product * line.inverse[c];
    }
  });
  return result;
}

// Gradient of the maps, from the sums over all of count values a channel.
at::Tensor backward(const at::Tensor& gradient, const at::Tensor& output, const at::Tensor& images,
                    const at::Tensor& moments, const at::Tensor& sums, const at::Tensor& weight,
                    double count, double epsilon, bool relu) {
  const Rows rows(images);
  at::Tensor result = at::empty(images.sizes(), images.options(), at::MemoryFormat::ChannelsLast);
  by_type(images, [&](auto stored, auto computed) {
    using Stored = decltype(stored);
    using Wide = decltype(computed);
    const auto* maps = static_cast<const Stored*>(images.const_data_ptr());
    const auto* gradients = static_cast<const Stored*>(gradient.const_data_ptr());
    auto* written = static_cast<Stored*>(result.mutable_data_ptr());
    const Line<Wide> line(moments, weight, count, epsilon, rows);
    const int64_t wide = rows.wide();
    behind_relu<Stored>(output, relu, [&](auto passes) {
      over_blocks(rows, [&](auto block, int64_t, int64_t c, int64_t place, int64_t many) {
        constexpr int64_t size = decltype(block)::value;
        Wide scale[size], slope[size], shift[size];
        for (int64_t i = 0; i < size; ++i) {
          const Wide* known = sums.const_data_ptr<Wide>() + (c + i) % rows.channels;
          scale[i] = line.scale[c + i];
          slope[i] = -line.scale[c + i] * line.inverse[c + i] * known[rows.channels] / Wide(count);
          shift[i] = -line.scale[c + i] * known[0] / Wide(count) - slope[i] * line.mean[c + i];
        }
        for (int64_t row = 0; row < many; ++row) {
          const int64_t at = place + row * wide;
          const Stored* __restrict__ x = maps + at;
          const Stored* __restrict__ g = gradients + at;
          Stored* __restrict__ dx = written + at;
#pragma omp simd
          for (int64_t i = 0; i < size; ++i) {
            const Wide value = passes(at + i) ? widened(g[i]) : Wide(0);
            narrowed(value * scale[i] + (widened(x[i]) * slope[i] + shift[i]), dx[i]);
          }
        }
      });
    });
  });
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vgglab, library) {
  library.def("batch_norm_moments(Tensor images) -> Tensor");
  library.def(
      "batch_norm_track(Tensor(a!) mean, Tensor(b!) variance, Tensor moments, float count, "
      "float momentum) -> ()");
  library.def(
      "batch_norm_forward(Tensor images, Tensor moments, Tensor weight, Tensor bias, float count, "
      "float epsilon, bool relu) -> Tensor");
  library.def(
      "batch_norm_backward_sums(Tensor gradient, Tensor output, Tensor images, Tensor moments, "
      "Tensor weight, float count, float epsilon, bool relu) -> Tensor");
  library.def(
      "batch_norm_backward(Tensor gradient, Tensor output, Tensor images, Tensor moments, "
      "Tensor sums, Tensor weight, float count, float epsilon, bool relu) -> Tensor");
}

TORCH_LIBRARY_IMPL(vgglab, CPU, library) {
  library.impl("batch_norm_moments", &moments);
  library.impl("batch_norm_track", &track);
  library.impl("batch_norm_forward", &forward);
  library.impl("batch_norm_backward_sums", &backward_sums);
  library.impl("batch_norm_backward", &backward);
}
