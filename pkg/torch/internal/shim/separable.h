// The separable convolution: W[o,i,t,h,w] = temporal[o,i,t] * spatial[o,i,h,w],
// evaluated in factors, with the layer's BatchNorm, bias and ELU. What the kernels
// share with the operations that call them.
#pragma once

#include <cstdint>

namespace ort {

// How far apart the clips, channels and frames of a result lie; the positions of a
// frame lie side by side.
struct OutputLayout {
  int64_t clip, channel, frame;
};

// Sizes of one convolution of stride 1. Each frame of the input is taken to lie in a
// border of zeros.
struct SeparableShape {
  int64_t batch, in, out;       // channels in and out
  int64_t frames, height, width; // of the input
  int64_t kt, kh, kw;
  int64_t top, bottom, left, right;
  OutputLayout y; // of the result, and of everything of its size
  int64_t padded_height() const { return top + height + bottom; }
  int64_t padded_width() const { return left + width + right; }
  int64_t out_frames() const { return frames - kt + 1; }
  int64_t out_height() const { return padded_height() - kh + 1; }
  int64_t out_width() const { return padded_width() - kw + 1; }
};

// Weights in lanes of output channels, a block of them at a time: spatial
// [block][in][kh*kw][lane], temporal [block][in][kt][lane]. Lanes beyond the last
// channel are zero.
struct PackedWeights {
  const float *spatial;
  const float *temporal;
};

// What follows the convolution y: ELU(y + shift); shift [block][lane] is NULL where
// nothing follows.
struct Epilogue {
  const float *shift;
};

// The gradient of the convolution's result y from that of what followed it,
// a = ELU(scale*y + shift), per lane:
//   gy = pass*g + slope*y + offset, g = grad * (a > 0 ? 1 : a + 1).
// activated is NULL where nothing followed, and gy is grad; slope is NULL where it is
// zero, and y too.
struct OutputGradient {
  const float *grad, *activated, *y;   // in the layout of the result
  const float *pass, *slope, *offset;  // [block][lane]
};

// Where gradients go; each is NULL where it is not wanted. x is overwritten; spatial
// and temporal hold one part for each clip and part of it, in the layout of the
// weights, that are added to and that the caller adds up.
struct SeparableGradients {
  float *x, *spatial, *temporal;
};

// One variant of the kernels, for a kind of processor.
struct SeparableKernel {
  const char *name;
  int64_t lanes;
  // y of x (batch, in, frames, height, width).
  void (*forward)(const SeparableShape &, const float *x, PackedWeights, Epilogue, float *y);
  void (*backward)(const SeparableShape &, const float *x, PackedWeights, OutputGradient, SeparableGradients);
  // For each clip and channel: the mean of y, and the sum of squares about it.
  void (*moments)(const SeparableShape &, const float *y, double *mean, double *squares);
  // a = ELU(scale*y + shift), with a factor and an offset for each channel.
  void (*activate)(const SeparableShape &, const float *y, const float *scale, const float *shift, float *a);
  // For each clip and channel: the sums of g = grad * (a > 0 ? 1 : a + 1), and of g*y.
  void (*gradient_sums)(const SeparableShape &, OutputGradient, double *sum, double *product);
};

// In how many parts the gradients of a clip and an input channel are computed, so
// that a few channels keep several threads busy. It depends on the shape alone, and
// so do the results.
inline int64_t gradient_parts(const SeparableShape &s) { return s.batch * s.in >= 32 ? 1 : s.in >= 8 ? 2 : 4; }

extern const SeparableKernel separable_generic;
extern const SeparableKernel separable_avx2;
extern const SeparableKernel separable_avx512;

}  // namespace ort
