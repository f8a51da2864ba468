// The separable convolution: W[o,i,t,h,w] = temporal[o,i,t] * spatial[o,i,h,w],
// evaluated in factors. What the kernels share with the operation that calls them.
#pragma once

#include <cstdint>

namespace ort {

// Output channels are computed this many at a time, one in each lane.
constexpr int64_t kLanes = 16;

// Sizes of one convolution. The input has been padded; stride is 1.
struct SeparableShape {
  int64_t batch, in, out;        // channels in and out
  int64_t frames, height, width; // of the padded input
  int64_t kt, kh, kw;
  int64_t out_frames() const { return frames - kt + 1; }
  int64_t out_height() const { return height - kh + 1; }
  int64_t out_width() const { return width - kw + 1; }
  int64_t blocks() const { return (out + kLanes - 1) / kLanes; }
};

// Weights in lanes: spatial [block][in][kh*kw][lane], temporal [block][in][kt][lane];
// lanes beyond the last channel are zero.
struct PackedWeights {
  const float *spatial;
  const float *temporal;
};

// One variant of the kernels, for a kind of processor.
struct SeparableKernel {
  const char *name;
  // y (batch, out, frames', height', width') of x (batch, in, frames, height, width).
  void (*forward)(const SeparableShape &, const float *x, PackedWeights, float *y);
  // Gradients from gy, in the layout of y. Per clip: grad_spatial and
  // grad_temporal, in lanes, have batch entries each that the caller adds up.
  // grad_x is NULL where it is not wanted.
  void (*backward)(const SeparableShape &, const float *x, PackedWeights, const float *gy, float *grad_x,
                   float *grad_spatial, float *grad_temporal);
};

extern const SeparableKernel separable_generic;
extern const SeparableKernel separable_avx2;
extern const SeparableKernel separable_avx512;

} // namespace ort
