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

#define ORT_REGISTER_BYTES 16
#define ORT_REGISTERS 16
#include "separable_kernel.h"

}  // namespace

const SeparableKernel separable_generic = {"generic", kLanes, forward, backward, moments, activate, gradient_sums};

}  // namespace ort
