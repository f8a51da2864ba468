// What every file of the shim shares: turning handles into tensors and
// exceptions into errors.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <optional>
#include <vector>

#include "../libtorch/shim.h"

#define ORT_API extern "C" __attribute__((visibility("default")))

namespace ort {

extern std::atomic<int64_t> live;

struct ClosedHandle {};

inline const at::Tensor &tensor(ort_tensor handle) {
  if (handle == nullptr) throw ClosedHandle();
  return *static_cast<at::Tensor *>(handle);
}

inline at::Tensor optional_tensor(ort_tensor handle) {
  return handle == nullptr ? at::Tensor() : *static_cast<at::Tensor *>(handle);
}

inline std::vector<at::Tensor> tensors(const ort_tensor *handles, int n) {
  std::vector<at::Tensor> list;
  list.reserve(n);
  for (int i = 0; i < n; i++) list.push_back(tensor(handles[i]));
  return list;
}

inline at::IntArrayRef ints(const int64_t *values, int n) { return {values, static_cast<size_t>(n)}; }

inline std::optional<at::Scalar> bound(const double *value) {
  return value == nullptr ? std::nullopt : std::optional<at::Scalar>(*value);
}

// The exception that is being handled, as an error. Call it in catch (...) only.
ort_error *current_error() noexcept;

// Runs f, which may throw anything.
template <class F>
ort_error *guard(F f) noexcept {
  try {
    f();
    return nullptr;
  } catch (...) {
    return current_error();
  }
}

// Runs f under the wanted gradient mode and hands its tensor out.
template <class F>
ort_error *produce(int flags, ort_tensor *out, F f) noexcept {
  *out = nullptr;
  return guard([&] {
    c10::AutoGradMode mode((flags & ORT_GRAD) != 0);
    *out = new at::Tensor(f());
    live++;
  });
}

}  // namespace ort
