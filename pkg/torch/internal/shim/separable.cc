// The separable convolution as one operation with a gradient of its own.
#include "separable_op.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace ort;

namespace ort {

const SeparableKernel &separable_kernel() {
  static const SeparableKernel *const chosen = [] {
    const char *forced = std::getenv("OPENRETINA_SIMD");
    const std::string name = forced == nullptr ? "" : forced;
#ifdef __x86_64__
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx512 && (name.empty() || name == separable_avx512.name)) return &separable_avx512;
    if (avx2 && name != separable_generic.name) return &separable_avx2;
#endif
    return &separable_generic;
  }();
  return *chosen;
}

bool full_kernel_wanted() {
  static const bool full = [] {
    const char *word = std::getenv("OPENRETINA_CONV");
    return word != nullptr && std::strcmp(word, "full") == 0;
  }();
  return full;
}

std::array<int64_t, 6> SeparableOperands::border() const {
  const int64_t kernel[3] = {temporal.size(2), spatial.size(3), spatial.size(4)};
  std::array<int64_t, 6> zeros;
  for (int d = 0; d < 3; d++) {
    const int64_t both = padding == nullptr ? kernel[d] - 1 : 2 * padding[d];
    zeros[2 * (2 - d)] = both / 2;
    zeros[2 * (2 - d) + 1] = both - both / 2;
  }
  return zeros;
}

bool SeparableOperands::fit() const {
  if (full_kernel_wanted()) return false;
  for (const auto *t : {&x, &spatial, &temporal}) {
    if (!t->is_cpu() || t->scalar_type() != at::kFloat) return false;
  }
  return separable();
}

bool SeparableOperands::separable() const {
  for (const auto *t : {&x, &spatial, &temporal}) {
    if (t->dim() != 5 || t->numel() == 0) return false;
  }
  const auto zeros = border();
  const bool channels = spatial.size(1) == x.size(1) && temporal.size(1) == x.size(1) &&
                        temporal.size(0) == spatial.size(0) && spatial.size(2) == 1 && temporal.size(3) == 1 &&
                        temporal.size(4) == 1;
  return channels && *std::min_element(zeros.begin(), zeros.end()) >= 0 &&
         x.size(2) + zeros[4] + zeros[5] >= temporal.size(2) && x.size(3) + zeros[2] + zeros[3] >= spatial.size(3) &&
         x.size(4) + zeros[0] + zeros[1] >= spatial.size(4);
}

at::Tensor SeparableOperands::full() const {
  const auto weights = temporal * spatial;
  if (padding == nullptr) return at::conv3d(x, weights, {}, {1, 1, 1}, c10::string_view("same"));
  return at::conv3d(x, weights, {}, {1, 1, 1}, ints(padding, 3));
}

at::Tensor SeparableOperands::padded_frames() const {
  const auto zeros = border();
  if (zeros[4] == 0 && zeros[5] == 0) return x.contiguous();
  return at::constant_pad_nd(x, {0, 0, 0, 0, zeros[4], zeros[5]}).contiguous();
}

SeparableShape SeparableOperands::shape(const at::Tensor &padded, bool frames_first) const {
  const auto zeros = border();
  SeparableShape s{padded.size(0),   padded.size(1),  spatial.size(0), padded.size(2), padded.size(3), padded.size(4),
                   temporal.size(2), spatial.size(3), spatial.size(4), zeros[2],       zeros[3],       zeros[0],
                   zeros[1],         {}};
  const int64_t plane = s.out_height() * s.out_width(), frames = s.out_frames();
  s.y = frames_first ? OutputLayout{frames * s.out * plane, plane, s.out * plane}
                     : OutputLayout{s.out * frames * plane, frames * plane, plane};
  return s;
}

at::Tensor empty_result(const SeparableShape &s) {
  return at::empty_strided({s.batch, s.out, s.out_frames(), s.out_height(), s.out_width()},
                           {s.y.clip, s.y.channel, s.y.frame, s.out_width(), 1});
}

namespace {

// (out, in, taps) to [block][in][taps][lane], each output channel times its factor.
at::Tensor pack(const at::Tensor &given, const float *scale) {
  const auto weights = given.contiguous();
  const int64_t out = weights.size(0), in = weights.size(1), taps = weights.numel() / (out * in);
  const int64_t lanes = separable_kernel().lanes, blocks = (out + lanes - 1) / lanes;
  auto packed = at::zeros({blocks, in, taps, lanes});
  const float *from = weights.const_data_ptr<float>();
  float *to = packed.mutable_data_ptr<float>();
  for (int64_t o = 0; o < out; o++)
    for (int64_t i = 0; i < in; i++) {
      float *lane = to + (o / lanes * in + i) * taps * lanes + o % lanes;
      const float factor = scale == nullptr ? 1 : scale[o];
      for (int64_t k = 0; k < taps; k++) lane[k * lanes] = factor * *from++;
    }
  return packed;
}

// The sum over parts of [part][block][in][taps][lane] in the shape of the weights.
at::Tensor unpack(const at::Tensor &parts, const at::Tensor &weights) {
  const int64_t blocks = parts.size(1), in = parts.size(2), taps = parts.size(3), lanes = parts.size(4);
  return parts.sum(0).permute({0, 3, 1, 2}).reshape({blocks * lanes, in, taps}).narrow(0, 0, weights.size(0)).reshape(
      weights.sizes());
}

}  // namespace

// As a vector of its numbers: it has no others.
at::IValue to_ivalue(const SeparableShape &s) {
  static_assert(sizeof s % sizeof(int64_t) == 0);
  const auto *numbers = reinterpret_cast<const int64_t *>(&s);
  return std::vector<int64_t>(numbers, numbers + sizeof s / sizeof(int64_t));
}

SeparableShape to_shape(const at::IValue &value) {
  const auto numbers = value.toIntVector();
  SeparableShape s;
  std::memcpy(&s, numbers.data(), sizeof s);
  return s;
}

PackedTensors pack_weights(const at::Tensor &spatial, const at::Tensor &temporal, const at::Tensor &scale) {
  return {pack(spatial, nullptr), pack(temporal, scale.defined() ? scale.const_data_ptr<float>() : nullptr)};
}

at::Tensor pack_channels(const at::Tensor &values) {
  const int64_t lanes = separable_kernel().lanes, blocks = (values.numel() + lanes - 1) / lanes;
  auto packed = at::zeros({blocks * lanes});
  packed.narrow(0, 0, values.numel()).copy_(values);
  return packed;
}

SeparableGradientTensors separable_gradients(const SeparableShape &s, const at::Tensor &x, const at::Tensor &spatial,
                                             const at::Tensor &temporal, const PackedTensors &packed,
                                             const OutputGradient &from, bool want_x, bool want_weights) {
  SeparableGradientTensors g;
  at::Tensor spatial_parts, temporal_parts;
  SeparableGradients to = {nullptr, nullptr, nullptr};
  if (want_x) {
    g.x = at::empty_like(x);
    to.x = g.x.mutable_data_ptr<float>();
  }
  if (want_weights) {
    auto with_parts = [&](const at::Tensor &weights) {
      auto sizes = weights.sizes().vec();
      sizes.insert(sizes.begin(), s.batch * gradient_parts(s));
      return at::zeros(sizes);
    };
    spatial_parts = with_parts(packed.spatial), temporal_parts = with_parts(packed.temporal);
    to.spatial = spatial_parts.mutable_data_ptr<float>(), to.temporal = temporal_parts.mutable_data_ptr<float>();
  }
  separable_kernel().backward(s, x.const_data_ptr<float>(), packed.pointers(), from, to);
  if (want_weights) g.spatial = unpack(spatial_parts, spatial), g.temporal = unpack(temporal_parts, temporal);
  return g;
}

}  // namespace ort

namespace {

// torch::autograd's way to give an operation its own gradient.
class SeparableConv : public torch::autograd::Function<SeparableConv> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x, const at::Tensor &spatial,
                            const at::Tensor &temporal, const SeparableShape &s) {
    const auto packed = pack_weights(spatial, temporal);
    auto y = empty_result(s);
    separable_kernel().forward(s, x.const_data_ptr<float>(), packed.pointers(), {nullptr},
                               y.mutable_data_ptr<float>());
    context->save_for_backward({x, spatial, temporal, packed.spatial, packed.temporal});
    context->saved_data["shape"] = to_ivalue(s);
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 const torch::autograd::variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &spatial = saved[1], &temporal = saved[2];
    const auto s = to_shape(context->saved_data["shape"]);
    const auto gy = gradients[0].contiguous();
    const OutputGradient from = {gy.const_data_ptr<float>(), nullptr, nullptr, nullptr, nullptr, nullptr};
    const bool want_weights = context->needs_input_grad(1) || context->needs_input_grad(2);
    const auto g = separable_gradients(s, x, spatial, temporal, {saved[3], saved[4]}, from,
                                       context->needs_input_grad(0), want_weights);
    return {g.x, g.spatial, g.temporal, {}};
  }
};

}  // namespace

at::Tensor SeparableOperands::fused() const {
  const auto padded = padded_frames();
  return SeparableConv::apply(padded, spatial, temporal, shape(padded));
}

ORT_API ort_error *ort_separable_conv3d(int flags, ort_tensor x, ort_tensor spatial, ort_tensor temporal,
                                        const int64_t *padding, ort_tensor *out) {
  return produce(flags, out, [&] {
    const SeparableOperands operands{tensor(x), tensor(spatial), tensor(temporal), padding};
    return operands.fit() ? operands.fused() : operands.composed();
  });
}

ORT_API const char *ort_separable_variant(void) { return full_kernel_wanted() ? "full" : separable_kernel().name; }
