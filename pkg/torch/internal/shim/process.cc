// What belongs to the process or thread: threads, gradient mode, CUDA.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/headeronly/version.h>

#include <climits>

#include "common.h"

using namespace ort;

namespace {

// Each step, clip or movie needs tensors as large as the one before. glibc gives
// large pieces back to the system when they are freed, and the system clears each
// page anew: an eighth of a small model's training step, half of one with 3,000
// neurons. So freed memory is kept, in one heap for all threads.
#ifdef __GLIBC__
[[maybe_unused]] const bool memory_is_kept = [] {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  // Before 2.35 glibc refuses a threshold this large.
  return mallopt(M_MMAP_THRESHOLD, INT_MAX) == 1 || mallopt(M_MMAP_MAX, 0) == 1;
}();
#endif

}  // namespace

// Both are per OS thread in libtorch, so torch.Do sets them on the thread that
// it has locked.
ORT_API ort_error *ort_set_threads(int n) {
  return guard([&] {
    TORCH_CHECK_VALUE(n > 0, "number of threads must be positive, got ", n);
    at::set_num_threads(n);
  });
}

ORT_API int ort_get_threads(void) { return at::get_num_threads(); }

ORT_API int ort_set_grad_mode(int on) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(on != 0);
  return before;
}

namespace {

thread_local int thread_mark = 0;

// libtorch's warnings are for those who write models in C++.
class Silence : public c10::WarningHandler {
  void process(const c10::Warning &) override {}
};

}  // namespace

ORT_API void ort_mark_thread(int mark) {
  static Silence silence;
  c10::WarningUtils::set_warning_handler(&silence);
  thread_mark = mark;
}

ORT_API int ort_thread_mark(void) { return thread_mark; }

ORT_API ort_error *ort_load_cuda(const char *library) {
  return guard([&] {
    TORCH_CHECK(dlopen(library, RTLD_NOW | RTLD_GLOBAL) != nullptr, dlerror());
  });
}

ORT_API ort_error *ort_cuda_device_count(int *out) {
  *out = 0;
  return guard([&] {
    if (at::globalContext().hasCUDA()) *out = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  });
}

ORT_API const char *ort_libtorch_version(void) { return TORCH_VERSION; }
