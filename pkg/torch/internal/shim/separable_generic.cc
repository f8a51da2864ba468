// The separable convolution for any processor.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <type_traits>

#include "separable.h"

namespace ort {
namespace {

#define ORT_REGISTER 16
#define ORT_ROWS 1
#define ORT_COLUMNS 2
#define ORT_TIMES 2
#define ORT_TAPS 2
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_generic = {"generic", forward, backward};

}  // namespace ort
