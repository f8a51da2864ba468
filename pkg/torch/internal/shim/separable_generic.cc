// The separable convolution for any processor.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

#include "separable.h"

namespace ort {
namespace {

#define ORT_REGISTER 16
// Sizes of the tiles, for 16 registers.
#define ORT_TEMPORAL_COLUMNS 6
#define ORT_COLUMNS 4
#define ORT_TAPS 4
#define ORT_GRADIENT_ROWS 2
#define ORT_GRADIENT_COLUMNS 4
#define ORT_TRANSPOSED_COLUMNS 3
#define ORT_TEMPORAL_TAPS 8
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_generic = {"generic", kLanes, forward, backward, moments, activate, gradient_sums};

}  // namespace ort
