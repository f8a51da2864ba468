// The separable convolution by libtorch's own operations, with the full kernel or in
// factors: for devices that our kernels are not written for.
#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "separable_op.h"

using namespace ort;

namespace ort {

// First over space, each input channel by its own group to one map for each output
// channel; then over time, where an output channel's group adds up its maps. One
// permutation in between gives both their layout.
at::Tensor SeparableOperands::factored() const {
  const int64_t batch = x.size(0), in = x.size(1), out = spatial.size(0);
  const int64_t height = spatial.size(3), width = spatial.size(4), taps = temporal.size(2);
  const auto zeros = border();
  const bool symmetric = zeros[0] == zeros[1] && zeros[2] == zeros[3] && zeros[4] == zeros[5];
  const auto given = symmetric ? x : at::constant_pad_nd(x, zeros);
  const int64_t frames = given.size(2);
  const std::vector<int64_t> over_space = {symmetric ? zeros[2] : 0, symmetric ? zeros[0] : 0};
  const std::vector<int64_t> over_time = {symmetric ? zeros[4] : 0, 0};

  const auto images = given.transpose(1, 2).reshape({batch * frames, in, given.size(3), given.size(4)});
  const auto by_input = spatial.transpose(0, 1).reshape({in * out, 1, height, width});
  const auto maps = at::conv2d(images, by_input, {}, at::IntArrayRef{1, 1}, over_space, at::IntArrayRef{1, 1}, in);
  const int64_t rows = maps.size(2), columns = maps.size(3);
  const auto courses = maps.reshape({batch, frames, in, out, rows * columns})
                           .permute({0, 3, 2, 1, 4})
                           .reshape({batch, out * in, frames, rows * columns});
  const auto y = at::conv2d(courses, temporal.reshape({out, in, taps, 1}), {}, at::IntArrayRef{1, 1}, over_time,
                            at::IntArrayRef{1, 1}, out);
  return y.reshape({batch, out, y.size(2), rows, columns});
}

namespace {

using Clock = std::chrono::steady_clock;

void wait_for(const at::Device &device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

// What the faster form depends on.
std::vector<int64_t> key_of(const SeparableOperands &o, bool gradient) {
  std::vector<int64_t> key = {static_cast<int64_t>(o.x.device().type()), o.x.device().index(),
                              static_cast<int64_t>(o.x.scalar_type()), at::globalContext().allowTF32CuDNN(), gradient};
  for (const auto *t : {&o.x, &o.spatial, &o.temporal}) {
    key.insert(key.end(), t->sizes().begin(), t->sizes().end());
    key.push_back(gradient && t->requires_grad());
  }
  if (o.padding != nullptr) key.insert(key.end(), o.padding, o.padding + 3);
  return key;
}

// The least of a few times of a form, in seconds, with the backward pass where there
// will be one; infinite where it fails, for lack of memory say.
double seconds_of(at::Tensor (SeparableOperands::*form)() const, const SeparableOperands &o, bool gradient) {
  constexpr int warm_up = 1, measured = 3;
  const auto copy = [&](const at::Tensor &t) { return t.detach().requires_grad_(gradient && t.requires_grad()); };
  const SeparableOperands operands{copy(o.x), copy(o.spatial), copy(o.temporal), o.padding};
  std::vector<at::Tensor> wanted;
  for (const auto *t : {&operands.x, &operands.spatial, &operands.temporal}) {
    if (t->requires_grad()) wanted.push_back(*t);
  }
  double best = std::numeric_limits<double>::infinity();
  try {
    for (int i = 0; i < warm_up + measured; i++) {
      wait_for(o.x.device());
      const auto start = Clock::now();
      const auto y = (operands.*form)();
      if (!wanted.empty()) torch::autograd::grad({y}, wanted, {at::ones_like(y)});
      wait_for(o.x.device());
      if (i >= warm_up) best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
  } catch (const c10::Error &) {
    return std::numeric_limits<double>::infinity();
  }
  return best;
}

}  // namespace

// Measured when a shape is first seen, and remembered: within a process a shape is
// always computed in the same form.
at::Tensor SeparableOperands::measured() const {
  static std::mutex mutex;
  static std::map<std::vector<int64_t>, bool> in_factors;
  const bool gradient = c10::GradMode::is_enabled() &&
                        (x.requires_grad() || spatial.requires_grad() || temporal.requires_grad());
  const auto key = key_of(*this, gradient);
  bool faster;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    auto known = in_factors.find(key);
    if (known == in_factors.end()) {
      const double factors = seconds_of(&SeparableOperands::factored, *this, gradient);
      known = in_factors.emplace(key, factors < seconds_of(&SeparableOperands::full, *this, gradient)).first;
    }
    faster = known->second;
  }
  return faster ? factored() : full();
}

namespace {

std::atomic<bool> convolve_in_bfloat16{false};

}  // namespace

SeparableOperands SeparableOperands::in_bfloat16() const {
  return {x.to(at::kBFloat16), spatial.to(at::kBFloat16), temporal.to(at::kBFloat16), padding};
}

at::Tensor SeparableOperands::composed() const {
  if (x.is_cpu() || full_kernel_wanted() || !separable()) return full();
  if (convolve_in_bfloat16 && x.scalar_type() == at::kFloat) return in_bfloat16().measured().to(at::kFloat);
  return measured();
}

}  // namespace ort

ORT_API ort_error *ort_composed_conv3d(int flags, int form, ort_tensor x, ort_tensor spatial, ort_tensor temporal,
                                       const int64_t *padding, ort_tensor *out) {
  return produce(flags, out, [&] {
    const SeparableOperands operands{tensor(x), tensor(spatial), tensor(temporal), padding};
    if (form == ORT_FULL_KERNEL) return operands.full();
    TORCH_CHECK(operands.separable(), "the operands are not those of a separable convolution: ",
                operands.x.sizes(), ", ", operands.spatial.sizes(), ", ", operands.temporal.sizes());
    if (form == ORT_IN_BFLOAT16) return operands.in_bfloat16().factored().to(at::kFloat);
    TORCH_CHECK(form == ORT_IN_FACTORS || form == ORT_FASTER_FORM, "unknown form ", form);
    return form == ORT_IN_FACTORS ? operands.factored() : operands.measured();
  });
}

ORT_API ort_error *ort_set_gpu_precision(int tf32, int bfloat16_convolutions) {
  return guard([&] {
    at::globalContext().setAllowTF32CuBLAS(tf32 != 0);
    at::globalContext().setAllowTF32CuDNN(tf32 != 0);
    convolve_in_bfloat16 = bfloat16_convolutions != 0;
  });
}
