// What the kernels for channels_last maps on CPUs share. They are built by build.py.

#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

// bfloat16 by its bits, without branches, so that the compiler makes vector instructions of it.
struct Bf16 {
  uint16_t bits;
};

inline float widened(Bf16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}
inline float widened(float value) { return value; }
inline double widened(double value) { return value; }

inline void narrowed(float wide, Bf16& value) {
  uint32_t bits;
  std::memcpy(&bits, &wide, sizeof bits);
  const uint32_t nearest_even = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  value.bits = static_cast<uint16_t>(is_nan ? 0x7fc0u : nearest_even);
}
inline void narrowed(float wide, float& value) { value = wide; }
inline void narrowed(double wide, double& value) { value = wide; }

// Calls run(Stored*, Wide): the type in memory and the one that is computed in.
template <typename Run>
void by_type(const at::Tensor& images, const Run& run) {
  switch (images.scalar_type()) {
    case at::kFloat: return run(float(), float());
    case at::kDouble: return run(double(), double());
    case at::kBFloat16: return run(Bf16(), float());
    default: TORCH_CHECK(false, "images: must be float32, float64 or bfloat16");
  }
}

constexpr int64_t kWidest = 32;  // values of the largest block, and as many as fill vectors of any type

// Calls body(size, first) for the channels in blocks whose size the compiler knows: it then makes
// vectors of them, which a narrow net's few channels fill too.
template <typename Body>
inline void in_blocks(int64_t channels, const Body& body) {
  int64_t first = 0;
  const auto next = [&](auto size) {
    for (; first + size <= channels; first += size) body(size, first);
  };
  next(std::integral_constant<int64_t, kWidest>());
  next(std::integral_constant<int64_t, 8>());
  next(std::integral_constant<int64_t, 1>());
}

// Calls body(c) for every channel, in vectors as long as the shortest type of the loop allows.
template <typename Body>
inline void over_channels(int64_t channels, const Body& body) {
  if (channels % 32 == 0) {
#pragma omp simd simdlen(32)
    for (int64_t c = 0; c < channels; ++c) body(c);
  } else {
#pragma omp simd simdlen(16)
    for (int64_t c = 0; c < channels; ++c) body(c);
  }
}

inline bool is_channels_last(const at::Tensor& images) {
  return images.dim() == 4 && images.is_contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace
