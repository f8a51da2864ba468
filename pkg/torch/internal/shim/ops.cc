// Operations that compute with values: elementwise, reductions, layers.
#include "common.h"

using namespace ort;

namespace {

at::Tensor unary(int op, const at::Tensor &x) {
  switch (op) {
    case ORT_NEG: return at::neg(x);
    case ORT_EXP: return at::exp(x);
    case ORT_LOG: return at::log(x);
    case ORT_SQRT: return at::sqrt(x);
    case ORT_ABS: return at::abs(x);
    case ORT_SIN: return at::sin(x);
    case ORT_COS: return at::cos(x);
    case ORT_SIGMOID: return at::sigmoid(x);
    case ORT_TANH: return at::tanh(x);
    case ORT_RELU: return at::relu(x);
    case ORT_SOFTPLUS: return at::softplus(x);
    case ORT_ELU: return at::elu(x);
    case ORT_SQUARE: return at::square(x);
    case ORT_NAN_TO_NUM: return at::nan_to_num(x);
    case ORT_CONTIGUOUS: return x.contiguous();
    case ORT_CLONE: return x.clone();
    case ORT_DETACH: return x.detach();
    case ORT_GELU: return at::gelu(x);
    case ORT_LEAKY_RELU: return at::leaky_relu(x);
    case ORT_MISH: return at::mish(x);
    case ORT_SELU: return at::selu(x);
    case ORT_SILU: return at::silu(x);
  }
  TORCH_CHECK(false, "unknown unary operation ", op);
}

at::Tensor binary(int op, const at::Tensor &a, const at::Tensor &b) {
  switch (op) {
    case ORT_ADD: return at::add(a, b);
    case ORT_SUB: return at::sub(a, b);
    case ORT_MUL: return at::mul(a, b);
    case ORT_DIV: return at::div(a, b);
    case ORT_MATMUL: return at::matmul(a, b);
  }
  TORCH_CHECK(false, "unknown binary operation ", op);
}

at::Tensor scalar(int op, const at::Tensor &x, double value) {
  switch (op) {
    case ORT_ADD_SCALAR: return at::add(x, value);
    case ORT_MUL_SCALAR: return at::mul(x, value);
    case ORT_POW_SCALAR: return at::pow(x, value);
  }
  TORCH_CHECK(false, "unknown operation with a number ", op);
}

at::Tensor nonlinearity(int op, const at::Tensor &x, double a, double b) {
  switch (op) {
    case ORT_SOFTPLUS_OF: return at::softplus(x, a, b);
    case ORT_ELU_OF: return at::elu(x, a);
    case ORT_LEAKY_RELU_OF: return at::leaky_relu(x, a);
  }
  TORCH_CHECK(false, "unknown nonlinearity ", op);
}

at::Tensor reduce(int op, const at::Tensor &x, at::IntArrayRef dims, bool keepdim) {
  std::vector<int64_t> all;
  if (dims.empty()) {
    for (int64_t d = 0; d < x.dim(); d++) all.push_back(d);
    dims = all;
  }
  switch (op) {
    case ORT_SUM: return at::sum(x, dims, keepdim);
    case ORT_MEAN: return at::mean(x, dims, keepdim);
    case ORT_NORM: return at::linalg_vector_norm(x, 2, dims, keepdim);
    case ORT_LOGSUMEXP: return at::logsumexp(x, dims, keepdim);
    case ORT_AMAX: return at::amax(x, dims, keepdim);
  }
  TORCH_CHECK(false, "unknown reduction ", op);
}

}  // namespace

ORT_API ort_error *ort_unary(int flags, int op, ort_tensor x, ort_tensor *out) {
  return produce(flags, out, [&] { return unary(op, tensor(x)); });
}

ORT_API ort_error *ort_binary(int flags, int op, ort_tensor a, ort_tensor b, ort_tensor *out) {
  return produce(flags, out, [&] { return binary(op, tensor(a), tensor(b)); });
}

ORT_API ort_error *ort_scalar(int flags, int op, ort_tensor x, double value, ort_tensor *out) {
  return produce(flags, out, [&] { return scalar(op, tensor(x), value); });
}

ORT_API ort_error *ort_nonlinearity(int flags, int op, ort_tensor x, double a, double b, ort_tensor *out) {
  return produce(flags, out, [&] { return nonlinearity(op, tensor(x), a, b); });
}

ORT_API ort_error *ort_clamp(int flags, ort_tensor x, const double *min, const double *max, ort_tensor *out) {
  return produce(flags, out, [&] { return at::clamp(tensor(x), bound(min), bound(max)); });
}

ORT_API ort_error *ort_reduce(int flags, int op, ort_tensor x, const int64_t *dims, int ndims, int keepdim,
                              ort_tensor *out) {
  return produce(flags, out, [&] { return reduce(op, tensor(x), ints(dims, ndims), keepdim != 0); });
}

ORT_API ort_error *ort_einsum(int flags, const char *equation, const ort_tensor *operands, int n,
                              ort_tensor *out) {
  return produce(flags, out, [&] { return at::einsum(equation, tensors(operands, n)); });
}

ORT_API ort_error *ort_conv3d(int flags, ort_tensor x, ort_tensor weight, ort_tensor bias, const int64_t *stride,
                              const int64_t *padding, const int64_t *dilation, ort_tensor *out) {
  return produce(flags, out, [&] {
    auto input = tensor(x), kernel = tensor(weight), offset = optional_tensor(bias);
    if (padding == nullptr) {
      return at::conv3d(input, kernel, offset, ints(stride, 3), c10::string_view("same"), ints(dilation, 3));
    }
    return at::conv3d(input, kernel, offset, ints(stride, 3), ints(padding, 3), ints(dilation, 3));
  });
}

ORT_API ort_error *ort_avg_pool3d(int flags, ort_tensor x, const int64_t *kernel, ort_tensor *out) {
  return produce(flags, out, [&] { return at::avg_pool3d(tensor(x), ints(kernel, 3)); });
}

ORT_API ort_error *ort_max_pool3d(int flags, ort_tensor x, const int64_t *kernel, ort_tensor *out) {
  return produce(flags, out, [&] { return at::max_pool3d(tensor(x), ints(kernel, 3)); });
}

ORT_API ort_error *ort_grid_sample(int flags, ort_tensor x, ort_tensor grid, int align_corners, ort_tensor *out) {
  constexpr int64_t kBilinear = 0, kZeros = 0;  // torch.nn.functional's numbers
  return produce(flags, out, [&] {
    const auto &images = tensor(x), &points = tensor(grid);
    TORCH_CHECK(images.dim() == 4, "grid_sample takes images (n, channels, height, width), not of ", images.dim(),
                " dimensions");
    return at::grid_sampler(images, points, kBilinear, kZeros, align_corners != 0);
  });
}

ORT_API ort_error *ort_batch_norm(int flags, ort_tensor x, ort_tensor weight, ort_tensor bias,
                                  ort_tensor running_mean, ort_tensor running_var, int training, double momentum,
                                  double eps, ort_tensor *out) {
  return produce(flags, out, [&] {
    return at::batch_norm(tensor(x), tensor(weight), tensor(bias), tensor(running_mean), tensor(running_var),
                          training != 0, momentum, eps, /*cudnn_enabled=*/true);
  });
}
