// The separable convolution for processors with AVX-512.
#ifdef __x86_64__

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

#include "separable.h"

// What follows, and nothing of the headers above.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma,prefer-vector-width=512")

namespace ort {
namespace {

#define ORT_REGISTER 64
// Sizes of the tiles, measured: with 32 registers, arithmetic sets the pace.
#define ORT_TEMPORAL_COLUMNS 8
#define ORT_COLUMNS 8
#define ORT_TAPS 6
#define ORT_GRADIENT_ROWS 3
#define ORT_GRADIENT_COLUMNS 6
#define ORT_TRANSPOSED_COLUMNS 6
#define ORT_TEMPORAL_TAPS 11
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_avx512 = {"avx512", kLanes, forward, backward, moments, activate, gradient_sums};

}  // namespace ort

#pragma GCC pop_options

#endif  // __x86_64__
