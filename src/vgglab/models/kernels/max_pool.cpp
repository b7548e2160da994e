// Max-pooling of 2x2 with stride 2, and the ReLU after it, of channels_last maps on CPUs: one pass
// over memory forward, one backward. torch's own keeps 8 bytes for every value that it lets through
// and writes each map of the backward pass twice; here it is one byte, and once.

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "cpu_kernels.h"

namespace {

constexpr uint8_t kNone = 4;  // the place of a value that ReLU has stopped

struct Sides {
  int64_t images, height, width, channels;
  int64_t rows() const { return height / 2; }  // of the output, as are columns
  int64_t columns() const { return width / 2; }
};

// The largest of four values, for a number of them that the compiler knows. As torch has it: of equal
// values the first is taken, a NaN always; ReLU lets a NaN pass.
template <bool relu, typename Size, typename Stored>
void pool(Size, const Stored* __restrict__ first, const Stored* __restrict__ second,
          const Stored* __restrict__ third, const Stored* __restrict__ fourth,
          Stored* __restrict__ y, uint8_t* __restrict__ place) {
#pragma omp simd
  for (int64_t i = 0; i < Size::value; ++i) {
    auto most = widened(first[i]);
    int32_t at = 0;
    const decltype(most) others[] = {widened(second[i]), widened(third[i]), widened(fourth[i])};
    for (int32_t other = 0; other < 3; ++other) {
      const bool is_taken = (others[other] > most) | (others[other] != others[other]);
      most = is_taken ? others[other] : most;
      at = is_taken ? other + 1 : at;
    }
    if constexpr (relu) {
      const bool is_stopped = most <= 0;
      most = is_stopped ? 0 : most;
      at = is_stopped ? kNone : at;
    }
    narrowed(most, y[i]);
    place[i] = static_cast<uint8_t>(at);
  }
}

// Bits: unsigned numbers of the values' size, for they are only moved.
template <typename Size, typename Bits>
void spread(Size, const Bits* __restrict__ g, const uint8_t* __restrict__ place,
            Bits* __restrict__ first, Bits* __restrict__ second, Bits* __restrict__ third,
            Bits* __restrict__ fourth) {
#pragma omp simd
  for (int64_t i = 0; i < Size::value; ++i) {
    first[i] = place[i] == 0 ? g[i] : Bits(0);
    second[i] = place[i] == 1 ? g[i] : Bits(0);
    third[i] = place[i] == 2 ? g[i] : Bits(0);
    fourth[i] = place[i] == 3 ? g[i] : Bits(0);
  }
}

// Calls run(channels, a type) where channels are so few that they would leave vectors half empty: the
// windows of several columns are brought together, which stand one after the other in the output.
template <typename Run>
bool if_few(int64_t channels, const Run& run) {
  switch (channels) {
    case 8: run(std::integral_constant<int64_t, 8>()); return true;
    case 16: run(std::integral_constant<int64_t, 16>()); return true;
    default: return false;
  }
}

template <bool relu, typename Stored>
void pool_row(const Stored* above, Stored* output, uint8_t* places, const Sides& sides) {
  const int64_t channels = sides.channels, below = sides.width * channels;
  int64_t column = 0;
  if_few(channels, [&](auto few) {
    constexpr int64_t together = kWidest / decltype(few)::value;
    for (; column + together <= sides.columns(); column += together) {
      Stored corners[4][kWidest];
      const Stored* from = above + 2 * column * few;
      for (int64_t i = 0; i < together; ++i, from += 2 * few) {
        std::memcpy(corners[0] + i * few, from, few * sizeof(Stored));
        std::memcpy(corners[1] + i * few, from + few, few * sizeof(Stored));
        std::memcpy(corners[2] + i * few, from + below, few * sizeof(Stored));
        std::memcpy(corners[3] + i * few, from + below + few, few * sizeof(Stored));
      }
      pool<relu>(std::integral_constant<int64_t, kWidest>(), corners[0], corners[1], corners[2],
                 corners[3], output + column * few, places + column * few);
    }
  });
  for (; column < sides.columns(); ++column) {
    in_blocks(channels, [&](auto size, int64_t c) {
      const Stored* from = above + 2 * column * channels + c;
      const int64_t to = column * channels + c;
      pool<relu>(size, from, from + channels, from + below, from + below + channels, output + to,
                 places + to);
    });
  }
}

template <typename Bits>
void spread_row(const Bits* gradient, const uint8_t* places, Bits* above, const Sides& sides) {
  const int64_t channels = sides.channels, below = sides.width * channels;
  int64_t column = 0;
  if_few(channels, [&](auto few) {
    constexpr int64_t together = kWidest / decltype(few)::value;
    for (; column + together <= sides.columns(); column += together) {
      Bits corners[4][kWidest];
      spread(std::integral_constant<int64_t, kWidest>(), gradient + column * few,
             places + column * few, corners[0], corners[1], corners[2], corners[3]);
      Bits* to = above + 2 * column * few;
      for (int64_t i = 0; i < together; ++i, to += 2 * few) {
        std::memcpy(to, corners[0] + i * few, few * sizeof(Bits));
        std::memcpy(to + few, corners[1] + i * few, few * sizeof(Bits));
        std::memcpy(to + below, corners[2] + i * few, few * sizeof(Bits));
        std::memcpy(to + below + few, corners[3] + i * few, few * sizeof(Bits));
      }
    }
  });
  for (; column < sides.columns(); ++column) {
    in_blocks(channels, [&](auto size, int64_t c) {
      const int64_t from = column * channels + c;
      Bits* to = above + 2 * column * channels + c;
      spread(size, gradient + from, places + from, to, to + channels, to + below,
             to + below + channels);
    });
  }
  for (int64_t part = 0; part < 2; ++part)  // a last column that no window has
    std::fill(above + part * below + 2 * sides.columns() * channels, above + (part + 1) * below,
              Bits(0));
}

// Calls body(image, row of the output) for all of them.
template <typename Body>
void over_rows(const Sides& sides, const Body& body) {
  const int64_t values = std::max<int64_t>(1, sides.columns() * sides.channels);
  const int64_t grain = std::max<int64_t>(1, 8192 / values);
  at::parallel_for(0, sides.images * sides.rows(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) body(at / sides.rows(), at % sides.rows());
  });
}

std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& images, bool relu) {
  TORCH_CHECK(is_channels_last(images), "images: must be (N, C, H, W) in channels_last");
  const Sides sides{images.size(0), images.size(2), images.size(3), images.size(1)};
  const auto shape = {sides.images, sides.channels, sides.rows(), sides.columns()};
  const auto options = images.options();
  at::Tensor output = at::empty(shape, options, at::MemoryFormat::ChannelsLast);
  at::Tensor places = at::empty(shape, options.dtype(at::kByte), at::MemoryFormat::ChannelsLast);
  by_type(images, [&](auto stored, auto) {
    using Stored = decltype(stored);
    const auto* x = static_cast<const Stored*>(images.const_data_ptr());
    auto* y = static_cast<Stored*>(output.mutable_data_ptr());
    auto* place = places.mutable_data_ptr<uint8_t>();
    const auto run = relu ? pool_row<true, Stored> : pool_row<false, Stored>;
    over_rows(sides, [&](int64_t image, int64_t row) {
      const int64_t above = (image * sides.height + 2 * row) * sides.width * sides.channels;
      const int64_t out = (image * sides.rows() + row) * sides.columns() * sides.channels;
      run(x + above, y + out, place + out, sides);
    });
  });
  return {output, places};
}

template <typename Bits>
void spread_all(const at::Tensor& gradient, const at::Tensor& places, const at::Tensor& result,
                const Sides& sides) {
  const auto* g = static_cast<const Bits*>(gradient.const_data_ptr());
  const auto* place = places.const_data_ptr<uint8_t>();
  auto* dx = static_cast<Bits*>(result.mutable_data_ptr());
  const int64_t wide = sides.width * sides.channels;
  over_rows(sides, [&](int64_t image, int64_t row) {
    const int64_t out = (image * sides.rows() + row) * sides.columns() * sides.channels;
    Bits* above = dx + (image * sides.height + 2 * row) * wide;
    spread_row(g + out, place + out, above, sides);
    if (row == sides.rows() - 1)  // a last row that no window has
      std::fill(above + 2 * wide, above + (sides.height - 2 * row) * wide, Bits(0));
  });
}

at::Tensor backward(const at::Tensor& gradient, const at::Tensor& places, int64_t height,
                    int64_t width) {
  TORCH_CHECK(is_channels_last(gradient) && is_channels_last(places) &&
                  gradient.sizes() == places.sizes() && places.scalar_type() == at::kByte,
              "gradient, places: must be (N, C, H, W) in channels_last, of one shape");
  const Sides sides{gradient.size(0), height, width, gradient.size(1)};
  TORCH_CHECK(sides.rows() == gradient.size(2) && sides.columns() == gradient.size(3) &&
                  sides.rows() > 0,
              "height, width: must be what was pooled");
  at::Tensor result = at::empty({sides.images, sides.channels, height, width}, gradient.options(),
                                at::MemoryFormat::ChannelsLast);
  switch (gradient.element_size()) {
    case 2: spread_all<uint16_t>(gradient, places, result, sides); break;
    case 4: spread_all<uint32_t>(gradient, places, result, sides); break;
    case 8: spread_all<uint64_t>(gradient, places, result, sides); break;
    default: TORCH_CHECK(false, "gradient: must be float32, float64 or bfloat16");
  }
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vgglab, library) {
  library.def("max_pool_forward(Tensor images, bool relu) -> (Tensor, Tensor)");
  library.def("max_pool_backward(Tensor gradient, Tensor places, int height, int width) -> Tensor");
}

TORCH_LIBRARY_IMPL(vgglab, CPU, library) {
  library.impl("max_pool_forward", &forward);
  library.impl("max_pool_backward", &backward);
}
