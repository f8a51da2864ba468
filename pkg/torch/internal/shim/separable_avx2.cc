// The separable convolution for processors with AVX2 and FMA.
#ifdef __x86_64__

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <type_traits>

#include "separable.h"

// What follows, and nothing of the headers above.
#pragma GCC push_options
#pragma GCC target("avx2,fma")

namespace ort {
namespace {

#define ORT_REGISTER 32
#define ORT_ROWS 1
#define ORT_COLUMNS 6
#define ORT_TIMES 4
#define ORT_TAPS 4
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_avx2 = {"avx2", forward, backward};

}  // namespace ort

#pragma GCC pop_options

#endif  // __x86_64__
