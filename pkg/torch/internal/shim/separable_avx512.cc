// The separable convolution for processors with AVX-512.
#ifdef __x86_64__

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <type_traits>

#include "separable.h"

// What follows, and nothing of the headers above.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma,prefer-vector-width=512")

namespace ort {
namespace {

#define ORT_REGISTER 64
#define ORT_ROWS 2
#define ORT_COLUMNS 8
#define ORT_TIMES 8
#define ORT_TAPS 8
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_avx512 = {"avx512", forward, backward};

}  // namespace ort

#pragma GCC pop_options

#endif  // __x86_64__
