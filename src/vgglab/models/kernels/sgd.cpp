// SGD with momentum on a CPU where layers compute in bf16: one pass over memory updates weights and
// momenta from gradients in fp32 or bf16, and writes the weights, rounded to bf16, that the next step
// computes with. torch takes a pass each to widen gradients, to update and to round, and in each of
// them an operation for every tensor.
//
// The bits are those of torch's fused kernel on x86 with AVX2: a product and a sum are one operation
// (fma) where they are in that, and nowhere else. sgd.py sees whether they are the same here.

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "cpu_kernels.h"

namespace {

constexpr int64_t kBlock = 16384;  // values that a thread is worth waking for; whole vectors
constexpr int64_t kVector = 8;     // values of a vector of torch's kernel, which has AVX2 at most

struct Rule {
  float rate;
  float momentum;
  float decay;
  bool nesterov;
  bool is_first;  // the momentum is not there yet
};

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

template <typename Stored, bool kRounds>
void update(const Rule& rule, int64_t count, float* weights, float* momenta, const Stored* gradients,
            Bf16* rounded) {
  const float rate = rule.rate, momentum = rule.momentum, decay = rule.decay;
  const bool nesterov = rule.nesterov, is_first = rule.is_first;
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  const auto each = [&](int64_t first, int64_t end, const auto& added) {
    for (int64_t i = first; i < end; ++i) {
      const float given = widened(gradients[i]);
      const float gradient = decay != 0 ? std::fma(weights[i], decay, given) : given;
      const float buffer = is_first ? gradient : added(momenta[i], gradient);
      momenta[i] = buffer;
      const float step = nesterov ? std::fma(buffer, momentum, gradient) : buffer;
      weights[i] = std::fma(step, -rate, weights[i]);
      if (kRounds) narrowed(weights[i], rounded[i]);
    }
  };
  const int64_t in_vectors = count - count % kVector;
  each(0, in_vectors, [&](float old, float gradient) { return old * momentum + gradient; });
  // torch has no vectors for a tensor's last values, and its compiler fuses this sum there.
  each(in_vectors, count, [&](float old, float gradient) { return std::fma(old, momentum, gradient); });
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

template <typename Stored>
void update_all(const Rule& rule, const at::Tensor& weight, const at::Tensor& momentum,
                const at::Tensor& gradient, const std::optional<at::Tensor>& rounded) {
  auto* weights = weight.mutable_data_ptr<float>();
  auto* momenta = momentum.mutable_data_ptr<float>();
  const auto* gradients = static_cast<const Stored*>(gradient.const_data_ptr());
  auto* narrow = rounded ? static_cast<Bf16*>(rounded->mutable_data_ptr()) : nullptr;
  const int64_t values = weight.numel();
  at::parallel_for(0, (values + kBlock - 1) / kBlock, 1, [&](int64_t first, int64_t last) {
    const int64_t begin = first * kBlock;
    const int64_t count = std::min(last * kBlock, values) - begin;
    if (narrow)
      update<Stored, true>(rule, count, weights + begin, momenta + begin, gradients + begin,
                           narrow + begin);
    else
      update<Stored, false>(rule, count, weights + begin, momenta + begin, gradients + begin,
                            nullptr);
  });
}

void check_layout(const at::Tensor& weight, const at::Tensor& other) {
  TORCH_CHECK(other.sizes() == weight.sizes() && other.strides() == weight.strides(),
              "a tensor is not laid out as its weights are");
}

void sgd_(at::TensorList weights, at::TensorList momenta, at::TensorList gradients,
          const c10::List<std::optional<at::Tensor>>& rounded, double rate, double momentum,
          double decay, bool nesterov, bool is_first) {
  const Rule rule{float(rate), float(momentum), float(decay), nesterov, is_first};
  for (size_t k = 0; k < weights.size(); ++k) {
    const at::Tensor &weight = weights[k], &gradient = gradients[k];
    const std::optional<at::Tensor> narrow = rounded.get(k);
    TORCH_CHECK(weight.is_cpu() && weight.is_non_overlapping_and_dense(), "weights: not in one piece");
    check_layout(weight, momenta[k]);
    check_layout(weight, gradient);
    if (narrow) {
      check_layout(weight, *narrow);
      TORCH_CHECK(narrow->scalar_type() == at::kBFloat16, "rounded: must be bfloat16");
    }
    switch (gradient.scalar_type()) {
      case at::kFloat: update_all<float>(rule, weight, momenta[k], gradient, narrow); break;
      case at::kBFloat16: update_all<Bf16>(rule, weight, momenta[k], gradient, narrow); break;
      default: TORCH_CHECK(false, "gradients: must be float32 or bfloat16");
    }
  }
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(vgglab, library) {
  library.def(
      "sgd_(Tensor(a!)[] weights, Tensor(b!)[] momenta, Tensor[] gradients, Tensor(c!)?[] rounded, "
      "float rate, float momentum, float decay, bool nesterov, bool is_first) -> ()",
      &sgd_);
}
