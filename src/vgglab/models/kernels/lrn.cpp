// Local response normalisation of channels_last maps on CPUs, forward and backward: one pass over
// memory each. Formula and names are lrn.py's.
//
// A pixel's channels lie side by side, so a window is a few neighbouring values of the first-level
// cache. Everything is computed in float (double for double) and rounded once, when it is stored.

#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu_kernels.h"

namespace {

template <typename Wide>
struct Numbers {
  int64_t half;  // channels of the window on either side
  Wide alpha, beta, k;
};

// scale^(-1/4): a guess from the exponent, then two steps of third order. Multiplications and
// additions alone, which vectors and single values do alike: a run's bits depend on nothing else.
inline float quarter_root(float scale) {
  int32_t bits;
  std::memcpy(&bits, &scale, sizeof bits);
  bits = 0x4f586000 - (bits >> 2);  // off by 3.2% at most
  float root;
  std::memcpy(&root, &bits, sizeof root);
  for (int step = 0; step < 2; ++step) {
    const float square = root * root;
    const float off = 1.0f - scale * (square * square);
    root += root * (off * (0.25f + 0.15625f * off));
  }
  return root;
}
inline double quarter_root(double scale) { return 1.0 / std::sqrt(std::sqrt(scale)); }

// scale^-beta and scale^-(beta + 1).
template <bool three_quarters, typename Wide>
inline void negative_powers(Wide scale, Wide beta, Wide& first, Wide& second) {
  if constexpr (three_quarters) {
    const Wide root = quarter_root(scale);
    first = root * root * root;
    second = first * (first * root);
  } else {
    first = std::pow(scale, -beta);
    second = first / scale;
  }
}

// sums[c] = sum of values[c - half .. c + half]; `values` has `half` zeros on either side.
template <typename Wide>
inline void window_sums(const Wide* __restrict__ values, Wide* __restrict__ sums,
                        int64_t channels, int64_t half) {
  if (half == 2) {  // the usual one, unrolled
    for (int64_t c = 0; c < channels; ++c)
      sums[c] = values[c - 2] + values[c - 1] + values[c] + values[c + 1] + values[c + 2];
    return;
  }
  for (int64_t c = 0; c < channels; ++c) sums[c] = values[c];
  for (int64_t shift = 1; shift <= half; ++shift)
    for (int64_t c = 0; c < channels; ++c) sums[c] += values[c - shift] + values[c + shift];
}

// Pixels that go through each step together. A step reads neighbours of what the last one wrote,
// which the processor can do at full speed only once the writes have reached its cache.
constexpr int64_t kBlock = 16;

// The values of a block of pixels, a row each, with zeros on either side of a row.
template <typename Wide>
struct Rows {
  int64_t half, stride;
  std::vector<Wide> storage;
  Rows(int64_t channels, int64_t half)
      : half(half), stride(channels + 2 * half), storage(stride * kBlock, Wide(0)) {}
  Wide* operator[](int64_t pixel) { return storage.data() + pixel * stride + half; }
};

// Has memory fetch a later row while this one is computed: reading, computing and writing a block
// after one another would leave either the processor or the memory waiting.
template <bool for_writing, typename Stored>
inline void ahead(const Stored* row, int64_t channels) {
  const char* bytes = reinterpret_cast<const char*>(row);
  for (int64_t at = 0; at < channels * static_cast<int64_t>(sizeof(Stored)); at += 64)
    __builtin_prefetch(bytes + at, for_writing);
}

// s of the formula.
template <typename Stored, typename Wide>
inline void scales(const Stored* images, Rows<Wide>& squares, Rows<Wide>& scale, int64_t pixels,
                   int64_t channels, const Numbers<Wide>& numbers) {
  const Wide alpha = numbers.alpha, k = numbers.k;
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    const Stored* __restrict__ x = images + pixel * channels;
    Wide* __restrict__ square = squares[pixel];
    over_channels(channels, [&](int64_t c) {
      const Wide value = widened(x[c]);
      square[c] = value * value;
    });
  }
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    Wide* __restrict__ s = scale[pixel];
    window_sums(squares[pixel], s, channels, numbers.half);
    for (int64_t c = 0; c < channels; ++c) s[c] = k + alpha * s[c];
  }
}

template <bool three_quarters, typename Stored, typename Wide>
void forward_pixels(const Stored* images, Stored* output, int64_t pixels, int64_t channels,
                    const Numbers<Wide>& numbers) {
  Rows<Wide> squares(channels, numbers.half), scale(channels, 0);
  const Wide beta = numbers.beta;
  for (int64_t begin = 0; begin < pixels; begin += kBlock) {
    const int64_t block = std::min(kBlock, pixels - begin);
    scales(images + begin * channels, squares, scale, block, channels, numbers);
    for (int64_t pixel = 0; pixel < block; ++pixel) {
      const Stored* __restrict__ x = images + (begin + pixel) * channels;
      Stored* __restrict__ y = output + (begin + pixel) * channels;
      const Wide* __restrict__ s = scale[pixel];
      ahead<false>(x + kBlock * channels, channels);
      ahead<true>(y + kBlock * channels, channels);
      over_channels(channels, [&](int64_t c) {
        Wide power, unused;
        negative_powers<three_quarters>(s[c], beta, power, unused);
        narrowed(widened(x[c]) * power, y[c]);
      });
    }
  }
}

// db_i/da_j = [i = j] s_i^-beta - 2 alpha beta a_i a_j s_i^(-beta-1) for j in i's window, and j is
// in i's window just where i is in j's: so both passes sum the same window.
template <bool three_quarters, typename Stored, typename Wide>
void backward_pixels(const Stored* images, const Stored* gradient, Stored* result, int64_t pixels,
                     int64_t channels, const Numbers<Wide>& numbers) {
  Rows<Wide> squares(channels, numbers.half), shared(channels, numbers.half), scale(channels, 0),
      direct(channels, 0);
  const Wide beta = numbers.beta, coupling = -2 * numbers.alpha * numbers.beta;
  for (int64_t begin = 0; begin < pixels; begin += kBlock) {
    const int64_t block = std::min(kBlock, pixels - begin);
    scales(images + begin * channels, squares, scale, block, channels, numbers);
    for (int64_t pixel = 0; pixel < block; ++pixel) {
      const Stored* __restrict__ x = images + (begin + pixel) * channels;
      const Stored* __restrict__ g = gradient + (begin + pixel) * channels;
      const Wide* __restrict__ s = scale[pixel];
      Wide* __restrict__ flowing = direct[pixel];
      Wide* __restrict__ coupled = shared[pixel];
      ahead<false>(x + kBlock * channels, channels);
      ahead<false>(g + kBlock * channels, channels);
      over_channels(channels, [&](int64_t c) {
        Wide first, second;
        negative_powers<three_quarters>(s[c], beta, first, second);
        const Wide slope = widened(g[c]);
        flowing[c] = slope * first;
        coupled[c] = slope * widened(x[c]) * second;
      });
    }
    for (int64_t pixel = 0; pixel < block; ++pixel) {
      const Stored* __restrict__ x = images + (begin + pixel) * channels;
      Stored* __restrict__ dx = result + (begin + pixel) * channels;
      const Wide* __restrict__ flowing = direct[pixel];
      Wide* __restrict__ sums = scale[pixel];
      ahead<true>(dx + kBlock * channels, channels);
      window_sums(shared[pixel], sums, channels, numbers.half);
      over_channels(channels, [&](int64_t c) {
        narrowed(flowing[c] + coupling * widened(x[c]) * sums[c], dx[c]);
      });
    }
  }
}

struct Maps {
  int64_t pixels, channels;
};

Maps maps_of(const at::Tensor& images) {
  TORCH_CHECK(is_channels_last(images), "images: must be (N, C, H, W) in channels_last");
  return {images.size(0) * images.size(2) * images.size(3), images.size(1)};
}

template <typename Body>
void over_pixels(Maps maps, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, maps.channels));
  at::parallel_for(0, maps.pixels, grain, body);
}

at::Tensor forward(const at::Tensor& images, int64_t size, double alpha, double beta, double k) {
  const Maps maps = maps_of(images);
  at::Tensor output = at::empty_like(images);
  by_type(images, [&](auto stored, auto wide) {
    using Stored = decltype(stored);
    using Wide = decltype(wide);
    const Numbers<Wide> numbers{std::min(size / 2, maps.channels - 1), Wide(alpha), Wide(beta),
                                Wide(k)};
    const auto* x = static_cast<const Stored*>(images.const_data_ptr());
    auto* y = static_cast<Stored*>(output.mutable_data_ptr());
    over_pixels(maps, [&](int64_t begin, int64_t end) {
      const auto run = beta == 0.75 ? forward_pixels<true, Stored, Wide>
                                    : forward_pixels<false, Stored, Wide>;
      run(x + begin * maps.channels, y + begin * maps.channels, end - begin, maps.channels,
          numbers);
    });
  });
  return output;
}

at::Tensor backward(const at::Tensor& images, const at::Tensor& gradient, int64_t size,
                    double alpha, double beta, double k) {
  const Maps maps = maps_of(images);
  TORCH_CHECK(gradient.sizes() == images.sizes() &&
                  gradient.scalar_type() == images.scalar_type() &&
                  gradient.is_contiguous(at::MemoryFormat::ChannelsLast),
              "gradient: must be as the images are");
  at::Tensor result = at::empty_like(images);
  by_type(images, [&](auto stored, auto wide) {
    using Stored = decltype(stored);
    using Wide = decltype(wide);
    const Numbers<Wide> numbers{std::min(size / 2, maps.channels - 1), Wide(alpha), Wide(beta),
                                Wide(k)};
    const auto* x = static_cast<const Stored*>(images.const_data_ptr());
    const auto* g = static_cast<const Stored*>(gradient.const_data_ptr());
    auto* dx = static_cast<Stored*>(result.mutable_data_ptr());
    over_pixels(maps, [&](int64_t begin, int64_t end) {
      const auto run = beta == 0.75 ? backward_pixels<true, Stored, Wide>
                                    : backward_pixels<false, Stored, Wide>;
      const int64_t offset = begin * maps.channels;
      run(x + offset, g + offset, dx + offset, end - begin, maps.channels, numbers);
    });
  });
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vgglab, library) {
  library.def("lrn_forward(Tensor images, int size, float alpha, float beta, float k) -> Tensor");
  library.def(
      "lrn_backward(Tensor images, Tensor gradient, int size, float alpha, float beta, float k) "
      "-> Tensor");
}

TORCH_LIBRARY_IMPL(vgglab, CPU, library) {
  library.impl("lrn_forward", &forward);
  library.impl("lrn_backward", &backward);
}
