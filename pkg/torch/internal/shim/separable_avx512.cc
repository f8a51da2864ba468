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

#define ORT_REGISTER_BYTES 64
#define ORT_REGISTERS 32
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_avx512 = {"avx512", kLanes, forward, backward, moments, activate, gradient_sums};

}  // namespace ort

#pragma GCC pop_options

#endif  // __x86_64__
