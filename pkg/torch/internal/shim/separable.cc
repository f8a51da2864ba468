// The separable convolution as one operation with a gradient of its own.
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common.h"
#include "separable.h"

using namespace ort;

namespace {

// OPENRETINA_SIMD=generic|avx2|avx512 forces a variant, for comparison.
const SeparableKernel &kernel() {
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

// OPENRETINA_CONV=full computes with the full kernel, for comparison.
bool full_wanted() {
  static const bool full = [] {
    const char *word = std::getenv("OPENRETINA_CONV");
    return word != nullptr && std::strcmp(word, "full") == 0;
  }();
  return full;
}

// Zeros before and after, as F.pad takes them: last dimension first.
using Border = std::array<int64_t, 6>;

Border border_of(const at::Tensor &spatial, const at::Tensor &temporal, const int64_t *padding) {
  const int64_t kernel[3] = {temporal.size(2), spatial.size(3), spatial.size(4)};
  Border border;
  for (int d = 0; d < 3; d++) {
    const int64_t both = padding == nullptr ? kernel[d] - 1 : 2 * padding[d];
    border[2 * (2 - d)] = both / 2;
    border[2 * (2 - d) + 1] = both - both / 2;
  }
  return border;
}

SeparableShape shape_of(const at::Tensor &padded, const at::Tensor &spatial, const at::Tensor &temporal) {
  return {padded.size(0), padded.size(1),  spatial.size(0), padded.size(2),  padded.size(3),
          padded.size(4), temporal.size(2), spatial.size(3), spatial.size(4)};
}

// (out, in, taps) to [block][in][taps][lane].
at::Tensor pack(const at::Tensor &weights, int64_t blocks) {
  const int64_t out = weights.size(0), in = weights.size(1), taps = weights[0][0].numel();
  auto lanes = at::zeros({blocks * kLanes, in, taps});
  lanes.narrow(0, 0, out).copy_(weights.reshape({out, in, taps}));
  return lanes.view({blocks, kLanes, in, taps}).permute({0, 2, 3, 1}).contiguous();
}

// The sum over clips of [clip][block][in][taps][lane] in the shape of the weights.
at::Tensor unpack(const at::Tensor &parts, const at::Tensor &weights) {
  const int64_t blocks = parts.size(1), in = parts.size(2), taps = parts.size(3);
  return parts.sum(0).permute({0, 3, 1, 2}).reshape({blocks * kLanes, in, taps}).narrow(0, 0, weights.size(0)).reshape(
      weights.sizes());
}

// torch::autograd's way to give an operation its own gradient.
class SeparableConv : public torch::autograd::Function<SeparableConv> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &padded,
                            const at::Tensor &spatial, const at::Tensor &temporal) {
    const auto s = shape_of(padded, spatial, temporal);
    auto packed_spatial = pack(spatial, s.blocks()), packed_temporal = pack(temporal, s.blocks());
    auto y = at::empty({s.batch, s.out, s.out_frames(), s.out_height(), s.out_width()});
    kernel().forward(s, padded.data_ptr<float>(),
                     {packed_spatial.data_ptr<float>(), packed_temporal.data_ptr<float>()}, y.data_ptr<float>());
    context->save_for_backward({padded, spatial, temporal, packed_spatial, packed_temporal});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 const torch::autograd::variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &padded = saved[0], &spatial = saved[1], &temporal = saved[2];
    const auto s = shape_of(padded, spatial, temporal);
    const auto gy = gradients[0].contiguous();
    const auto grad_x = context->needs_input_grad(0) ? at::zeros_like(padded) : at::Tensor();
    auto grad_spatial = at::zeros({s.batch, s.blocks(), s.in, s.kh * s.kw, kLanes});
    auto grad_temporal = at::zeros({s.batch, s.blocks(), s.in, s.kt, kLanes});
    kernel().backward(s, padded.data_ptr<float>(), {saved[3].data_ptr<float>(), saved[4].data_ptr<float>()},
                      gy.data_ptr<float>(), grad_x.defined() ? grad_x.data_ptr<float>() : nullptr,
                      grad_spatial.data_ptr<float>(), grad_temporal.data_ptr<float>());
    return {grad_x, unpack(grad_spatial, spatial), unpack(grad_temporal, temporal)};
  }
};

// Whether the kernels can compute it; all else is conv3d's, errors included.
bool fits(const at::Tensor &x, const at::Tensor &spatial, const at::Tensor &temporal, const Border &border) {
  for (const auto *t : {&x, &spatial, &temporal}) {
    if (t->dim() != 5 || !t->is_cpu() || t->scalar_type() != at::kFloat || t->numel() == 0) return false;
  }
  const bool channels = spatial.size(1) == x.size(1) && temporal.size(1) == x.size(1) &&
                        temporal.size(0) == spatial.size(0) && spatial.size(2) == 1 && temporal.size(3) == 1 &&
                        temporal.size(4) == 1;
  return channels && *std::min_element(border.begin(), border.end()) >= 0 &&
         x.size(2) + border[4] + border[5] >= temporal.size(2) && x.size(3) + border[2] + border[3] >= spatial.size(3) &&
         x.size(4) + border[0] + border[1] >= spatial.size(4);
}

at::Tensor full_conv3d(const at::Tensor &x, const at::Tensor &weights, const int64_t *padding) {
  if (padding == nullptr) return at::conv3d(x, weights, {}, {1, 1, 1}, c10::string_view("same"));
  return at::conv3d(x, weights, {}, {1, 1, 1}, ints(padding, 3));
}

}  // namespace

ORT_API ort_error *ort_separable_conv3d(int flags, ort_tensor x, ort_tensor spatial, ort_tensor temporal,
                                        const int64_t *padding, ort_tensor *out) {
  return produce(flags, out, [&] {
    const auto &input = tensor(x), &space = tensor(spatial), &time = tensor(temporal);
    if (full_wanted() || space.dim() != 5 || time.dim() != 5) return full_conv3d(input, time * space, padding);
    const auto border = border_of(space, time, padding);
    if (!fits(input, space, time, border)) return full_conv3d(input, time * space, padding);
    const bool bordered = std::any_of(border.begin(), border.end(), [](int64_t n) { return n != 0; });
    const auto padded = bordered ? at::constant_pad_nd(input, {border.data(), border.size()}) : input;
    return SeparableConv::apply(padded.contiguous(), space, time);
  });
}

ORT_API const char *ort_separable_variant(void) { return full_wanted() ? "full" : kernel().name; }
