// Tensors from outside: bytes, constants, random draws; and back to bytes.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <algorithm>
#include <cstring>

#include "common.h"

using namespace ort;

namespace {

at::TensorOptions options(int dtype, const char *device) {
  return at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)).device(at::Device(device));
}

const at::Generator &generator_of(ort_generator handle) {
  if (handle == nullptr) throw ClosedHandle();
  return *static_cast<at::Generator *>(handle);
}

}  // namespace

ORT_API ort_error *ort_from_bytes(const void *data, int64_t nbytes, int dtype, const int64_t *shape, int n,
                                  const char *device, ort_tensor *out) {
  return produce(0, out, [&] {
    const at::Device where(device);
    // From pinned memory a GPU copies while the host goes on; libtorch's allocator
    // gives the memory out again once the copy is done.
    auto host = at::empty(ints(shape, n), options(dtype, "cpu").pinned_memory(where.is_cuda()));
    TORCH_CHECK(static_cast<int64_t>(host.nbytes()) == nbytes, "shape ", ints(shape, n), " needs ", host.nbytes(),
                " bytes, got ", nbytes);
    if (nbytes > 0) std::memcpy(host.data_ptr(), data, nbytes);
    return host.to(where, /*non_blocking=*/where.is_cuda());
  });
}

ORT_API ort_error *ort_lend_float32(const float *data, int64_t size, const int64_t *shape, int n, ort_tensor *out) {
  return produce(0, out, [&] {
    const auto sizes = ints(shape, n);
    TORCH_CHECK(std::all_of(sizes.begin(), sizes.end(), [](int64_t d) { return d >= 0; }) &&
                    c10::multiply_integers(sizes) == size,
                "shape ", sizes, " does not have ", size, " elements");
    return at::from_blob(const_cast<float *>(data), sizes, at::kFloat);
  });
}

ORT_API ort_error *ort_full(double value, int dtype, const int64_t *shape, int n, const char *device,
                            ort_tensor *out) {
  return produce(0, out, [&] { return at::full(ints(shape, n), value, options(dtype, device)); });
}

ORT_API ort_error *ort_linspace(double start, double end, int64_t steps, const char *device, ort_tensor *out) {
  return produce(0, out, [&] {
    return at::linspace(start, end, steps, options(static_cast<int>(at::kFloat), device));
  });
}

ORT_API ort_error *ort_normal(ort_generator generator, double mean, double std, const int64_t *shape, int n,
                              const char *device, ort_tensor *out) {
  return produce(0, out, [&] {
    auto x = at::empty(ints(shape, n), options(static_cast<int>(at::kFloat), device));
    return x.normal_(mean, std, generator_of(generator));
  });
}

ORT_API ort_error *ort_uniform(ort_generator generator, double from, double to, const int64_t *shape, int n,
                               const char *device, ort_tensor *out) {
  return produce(0, out, [&] {
    auto x = at::empty(ints(shape, n), options(static_cast<int>(at::kFloat), device));
    return x.uniform_(from, to, generator_of(generator));
  });
}

ORT_API ort_error *ort_bernoulli(ort_generator generator, double p, const int64_t *shape, int n,
                                 const char *device, ort_tensor *out) {
  return produce(0, out, [&] {
    auto x = at::empty(ints(shape, n), options(static_cast<int>(at::kFloat), device));
    return x.bernoulli_(p, generator_of(generator));
  });
}

ORT_API ort_error *ort_generator_new(uint64_t seed, const char *device, ort_generator *out) {
  *out = nullptr;
  return guard([&] {
    at::Device where(device);
    at::Generator g = where.is_cpu() ? at::detail::createCPUGenerator(seed)
                                     : at::globalContext().getAcceleratorHooksInterface(where.type())
                                           .getNewGenerator(where.has_index() ? where.index() : 0);
    g.set_current_seed(seed);
    *out = new at::Generator(g);
  });
}

ORT_API ort_error *ort_generator_get_state(ort_generator generator, ort_tensor *out) {
  return produce(0, out, [&] { return generator_of(generator).get_state(); });
}

ORT_API ort_error *ort_generator_set_state(ort_generator generator, ort_tensor state) {
  return guard([&] {
    at::Generator g = generator_of(generator);
    g.set_state(tensor(state));
  });
}

ORT_API void ort_generator_free(ort_generator generator) { delete static_cast<at::Generator *>(generator); }

ORT_API ort_error *ort_ndim(ort_tensor x, int64_t *out) {
  return guard([&] { *out = tensor(x).dim(); });
}

ORT_API ort_error *ort_sizes(ort_tensor x, int64_t *sizes) {
  return guard([&] {
    auto all = tensor(x).sizes();
    std::copy(all.begin(), all.end(), sizes);
  });
}

ORT_API ort_error *ort_dtype(ort_tensor x, int *out) {
  return guard([&] { *out = static_cast<int>(tensor(x).scalar_type()); });
}

ORT_API ort_error *ort_item(ort_tensor x, double *out) {
  return guard([&] { *out = tensor(x).item().toDouble(); });
}

ORT_API ort_error *ort_copy_out(ort_tensor x, void *dst, int64_t nbytes) {
  return guard([&] {
    c10::AutoGradMode off(false);
    auto host = tensor(x).detach().to(at::kCPU).contiguous();
    TORCH_CHECK(static_cast<int64_t>(host.nbytes()) == nbytes, "tensor holds ", host.nbytes(), " bytes, asked for ",
                nbytes);
    if (nbytes > 0) std::memcpy(dst, host.data_ptr(), nbytes);
  });
}
