// What the operations over the separable kernels share: which variant computes,
// what it can compute, and weights in its layout.
#pragma once

#include <ATen/core/ivalue.h>

#include <array>

#include "common.h"
#include "separable.h"

namespace ort {

// The variant for this processor. OPENRETINA_SIMD=generic|avx2|avx512 forces one, for
// comparison.
const SeparableKernel &separable_kernel();

// OPENRETINA_CONV=full computes with the full kernel, for comparison.
bool full_kernel_wanted();

// The operands of a separable convolution: x (batch, in, time, height, width), spatial
// (out, in, 1, height, width), temporal (out, in, time, 1, 1). padding has three
// entries (time, height, width); NULL is "same".
struct SeparableOperands {
  at::Tensor x, spatial, temporal;
  const int64_t *padding;

  // Whether the shapes are those of a separable convolution with a result.
  bool separable() const;
  // Whether the kernels can compute it; all else is libtorch's, errors included.
  bool fit() const;
  // By the kernels, where they fit.
  at::Tensor fused() const;
  // With the full kernel, by libtorch.
  at::Tensor full() const;
  // In factors, by libtorch; where separable.
  at::Tensor factored() const;
  // By libtorch, in the form of the two that was measured to be the faster.
  at::Tensor measured() const;
  // By libtorch, in the form that suits the device.
  at::Tensor composed() const;
  // The operands in bfloat16, for GPUs.
  SeparableOperands in_bfloat16() const;
  // x for the kernels: contiguous, with the zeros before and after its frames. Those
  // around each frame the kernels think of themselves.
  at::Tensor padded_frames() const;
  // frames_first lays the result out as (batch, time, out, height, width).
  SeparableShape shape(const at::Tensor &padded, bool frames_first = false) const;

 private:
  // Zeros before and after, as F.pad takes them: last dimension first.
  std::array<int64_t, 6> border() const;
};

// Weights in the kernels' layout.
struct PackedTensors {
  at::Tensor spatial, temporal;
  PackedWeights pointers() const { return {spatial.const_data_ptr<float>(), temporal.const_data_ptr<float>()}; }
};

// A shape as autograd keeps it between forward and backward.
at::IValue to_ivalue(const SeparableShape &s);
SeparableShape to_shape(const at::IValue &value);

// A result (batch, out, time, height, width) in the layout that the shape wants.
at::Tensor empty_result(const SeparableShape &s);

// The temporal ones times a factor for each output channel where scale (out) is defined.
PackedTensors pack_weights(const at::Tensor &spatial, const at::Tensor &temporal, const at::Tensor &scale = {});

// One number for each output channel, in the kernels' layout.
at::Tensor pack_channels(const at::Tensor &values);

struct SeparableGradientTensors {
  at::Tensor x, spatial, temporal;
};

// The gradients of the convolution, x as it was given to the kernel.
SeparableGradientTensors separable_gradients(const SeparableShape &s, const at::Tensor &x, const at::Tensor &spatial,
                                             const at::Tensor &temporal, const PackedTensors &packed,
                                             const OutputGradient &from, bool want_x, bool want_weights);

}  // namespace ort
