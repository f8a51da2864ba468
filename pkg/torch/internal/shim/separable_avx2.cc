// The separable convolution for processors with AVX2 and FMA.
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
#pragma GCC target("avx2,fma")

namespace ort {
namespace {

#define ORT_REGISTER_BYTES 32
#define ORT_REGISTERS 16
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_avx2 = {"avx2", kLanes, forward, backward, moments, activate, gradient_sums};

}  // namespace ort

#pragma GCC pop_options

#endif  // __x86_64__
