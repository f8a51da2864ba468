// Operations that move values about without changing them.
#include "common.h"

using namespace ort;

ORT_API ort_error *ort_reshape(int flags, ort_tensor x, const int64_t *shape, int n, ort_tensor *out) {
  return produce(flags, out, [&] { return tensor(x).reshape(ints(shape, n)); });
}

ORT_API ort_error *ort_permute(int flags, ort_tensor x, const int64_t *dims, int n, ort_tensor *out) {
  return produce(flags, out, [&] { return tensor(x).permute(ints(dims, n)); });
}

ORT_API ort_error *ort_expand(int flags, ort_tensor x, const int64_t *shape, int n, ort_tensor *out) {
  return produce(flags, out, [&] { return tensor(x).expand(ints(shape, n)); });
}

ORT_API ort_error *ort_narrow(int flags, ort_tensor x, int64_t dim, int64_t start, int64_t length,
                              ort_tensor *out) {
  return produce(flags, out, [&] { return tensor(x).narrow(dim, start, length); });
}

ORT_API ort_error *ort_index_select(int flags, ort_tensor x, int64_t dim, const int64_t *index, int64_t n,
                                    ort_tensor *out) {
  return produce(flags, out, [&] {
    auto positions = at::empty({n}, at::kLong);
    std::copy(index, index + n, positions.data_ptr<int64_t>());
    return at::index_select(tensor(x), dim, positions.to(tensor(x).device()));
  });
}

ORT_API ort_error *ort_cat(int flags, const ort_tensor *parts, int n, int64_t dim, ort_tensor *out) {
  return produce(flags, out, [&] { return at::cat(tensors(parts, n), dim); });
}

ORT_API ort_error *ort_stack(int flags, const ort_tensor *parts, int n, int64_t dim, ort_tensor *out) {
  return produce(flags, out, [&] { return at::stack(tensors(parts, n), dim); });
}

ORT_API ort_error *ort_to(int flags, ort_tensor x, int dtype, const char *device, ort_tensor *out) {
  return produce(flags, out, [&] {
    return tensor(x).to(at::Device(device), static_cast<at::ScalarType>(dtype));
  });
}
