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

// As torch has it: of equal values the first is taken, a NaN always; ReLU lets a NaN pass.
template <bool relu, typename Stored>
void pool_row(const Stored* above, Stored* output, uint8_t* places, const Sides& sides) {
  const int64_t channels = sides.channels;
  for (int64_t column = 0; column < sides.columns(); ++column) {
    const Stored* __restrict__ first = above + 2 * column * channels;
    const Stored* __restrict__ second = first + channels;
    const Stored* __restrict__ third = first + sides.width * channels;
    const Stored* __restrict__ fourth = third + channels;
    Stored* __restrict__ y = output + column * channels;
    uint8_t* __restrict__ place = places + column * channels;
    over_channels(channels, [&](int64_t c) {
      auto most = widened(first[c]);
      int32_t at = 0;
      const decltype(most) others[] = {widened(second[c]), widened(third[c]), widened(fourth[c])};
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
      narrowed(most, y[c]);
      place[c] = static_cast<uint8_t>(at);
    });
  }
}

// Bits: unsigned numbers of the values' size, for they are only moved.
template <typename Bits>
void spread_row(const Bits* gradient, const uint8_t* places, Bits* above, const Sides& sides) {
  const int64_t channels = sides.channels, row = sides.width * channels;
  for (int64_t column = 0; column < sides.columns(); ++column) {
    const Bits* __restrict__ g = gradient + column * channels;
    const uint8_t* __restrict__ place = places + column * channels;
    Bits* __restrict__ first = above + 2 * column * channels;
    Bits* __restrict__ second = first + channels;
    Bits* __restrict__ third = first + row;
    Bits* __restrict__ fourth = third + channels;
    over_channels(channels, [&](int64_t c) {
      first[c] = place[c] == 0 ? g[c] : Bits(0);
      second[c] = place[c] == 1 ? g[c] : Bits(0);
      third[c] = place[c] == 2 ? g[c] : Bits(0);
      fourth[c] = place[c] == 3 ? g[c] : Bits(0);
    });
  }
  for (int64_t part = 0; part < 2; ++part)  // a last column that no window has
    std::fill(above + part * row + 2 * sides.columns() * channels, above + (part + 1) * row,
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
void spread(const at::Tensor& gradient, const at::Tensor& places, const at::Tensor& result,
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
    case 2: spread<uint16_t>(gradient, places, result, sides); break;
    case 4: spread<uint32_t>(gradient, places, result, sides); break;
    case 8: spread<uint64_t>(gradient, places, result, sides); break;
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
