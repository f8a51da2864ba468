/* The border between Go and libtorch, in plain C.
 *
 * Every entry that can fail returns NULL, or an error that the caller releases
 * with ort_error_free. Results are written to the last argument. No exception
 * crosses this border, and no operation depends on a mode of the OS thread:
 * whether it records gradients is an argument (flags & ORT_GRAD). */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void *ort_tensor;    /* owns one at::Tensor; the layout gotorch uses too */
typedef void *ort_generator; /* owns one at::Generator */

enum { ORT_GRAD = 1 };

enum ort_error_code {
  ORT_ERR_OTHER = 0,
  ORT_ERR_OUT_OF_MEMORY = 1,
  ORT_ERR_INDEX = 2,
  ORT_ERR_TYPE = 3,
  ORT_ERR_VALUE = 4,
  ORT_ERR_NOT_IMPLEMENTED = 5,
  ORT_ERR_CLOSED = 6, /* a handle that was released, or never set */
};

typedef struct {
  int32_t code;
  char *message; /* one line */
  char *trace;   /* where in libtorch; empty unless ort_keep_traces is on */
} ort_error;

void ort_error_free(ort_error *error);
void ort_keep_traces(int on);

/* Elementwise operations of one tensor. */
enum ort_unary_op {
  ORT_NEG, ORT_EXP, ORT_LOG, ORT_SQRT, ORT_ABS, ORT_SIN, ORT_COS, ORT_SIGMOID,
  ORT_TANH, ORT_RELU, ORT_SOFTPLUS, ORT_ELU, ORT_SQUARE, ORT_NAN_TO_NUM,
  ORT_CONTIGUOUS, ORT_CLONE, ORT_DETACH, ORT_GELU, ORT_LEAKY_RELU, ORT_MISH, ORT_SELU,
  ORT_SILU,
};
ort_error *ort_unary(int flags, int op, ort_tensor x, ort_tensor *out);

/* Operations of two tensors, broadcasting where PyTorch does. */
enum ort_binary_op { ORT_ADD, ORT_SUB, ORT_MUL, ORT_DIV, ORT_MATMUL };
ort_error *ort_binary(int flags, int op, ort_tensor a, ort_tensor b, ort_tensor *out);

/* Operations of a tensor and a number. */
enum ort_scalar_op { ORT_ADD_SCALAR, ORT_MUL_SCALAR, ORT_POW_SCALAR };
ort_error *ort_scalar(int flags, int op, ort_tensor x, double value, ort_tensor *out);

/* NULL for no bound. */
ort_error *ort_clamp(int flags, ort_tensor x, const double *min, const double *max, ort_tensor *out);

/* Nonlinearities with numbers of their own: softplus (beta, threshold), ELU (alpha),
 * leaky ReLU (slope below zero). b is read where there are two. */
enum ort_nonlinearity { ORT_SOFTPLUS_OF, ORT_ELU_OF, ORT_LEAKY_RELU_OF };
ort_error *ort_nonlinearity(int flags, int op, ort_tensor x, double a, double b, ort_tensor *out);

/* Reductions; ndims = 0 reduces over all dimensions. */
enum ort_reduce_op { ORT_SUM, ORT_MEAN, ORT_NORM, ORT_LOGSUMEXP, ORT_AMAX };
ort_error *ort_reduce(int flags, int op, ort_tensor x, const int64_t *dims, int ndims, int keepdim,
                      ort_tensor *out);

/* Shapes. */
ort_error *ort_reshape(int flags, ort_tensor x, const int64_t *shape, int n, ort_tensor *out);
ort_error *ort_permute(int flags, ort_tensor x, const int64_t *dims, int n, ort_tensor *out);
ort_error *ort_expand(int flags, ort_tensor x, const int64_t *shape, int n, ort_tensor *out);
ort_error *ort_narrow(int flags, ort_tensor x, int64_t dim, int64_t start, int64_t length, ort_tensor *out);
ort_error *ort_index_select(int flags, ort_tensor x, int64_t dim, const int64_t *index, int64_t n,
                            ort_tensor *out);
ort_error *ort_cat(int flags, const ort_tensor *parts, int n, int64_t dim, ort_tensor *out);
ort_error *ort_stack(int flags, const ort_tensor *parts, int n, int64_t dim, ort_tensor *out);
ort_error *ort_einsum(int flags, const char *equation, const ort_tensor *operands, int n, ort_tensor *out);

/* Layers. kernel, stride, padding, dilation have three entries (time, height,
 * width); bias may be NULL. padding NULL means "same". */
ort_error *ort_conv3d(int flags, ort_tensor x, ort_tensor weight, ort_tensor bias, const int64_t *stride,
                      const int64_t *padding, const int64_t *dilation, ort_tensor *out);
/* conv3d with the weight temporal (out, in, time, 1, 1) * spatial (out, in, 1,
 * height, width), evaluated in factors where that is possible (float32 on the CPU,
 * stride 1), else with the full kernel. padding NULL means "same". */
ort_error *ort_separable_conv3d(int flags, ort_tensor x, ort_tensor spatial, ort_tensor temporal,
                                const int64_t *padding, ort_tensor *out);
/* The same by libtorch's own operations, as on a GPU, in one form or in the one that
 * is measured, once for each shape, to be the faster. */
enum ort_conv_form { ORT_FULL_KERNEL, ORT_IN_FACTORS, ORT_FASTER_FORM, ORT_IN_BFLOAT16 };
ort_error *ort_composed_conv3d(int flags, int form, ort_tensor x, ort_tensor spatial, ort_tensor temporal,
                               const int64_t *padding, ort_tensor *out);
/* How GPUs compute from now on, in the whole process: matrix products and
 * convolutions of float32 with TF32, and separable convolutions in bfloat16. */
ort_error *ort_set_gpu_precision(int tf32, int bfloat16_convolutions);
/* A layer of the core: ELU(BatchNorm(separable_conv3d(x)) + shift), as one operation
 * where that is possible. All have one entry for each output channel; shift has the
 * shape (1, out, 1, 1, 1). Training updates running_mean and running_var in place.
 * frames_first asks for a result whose memory is laid out as (batch, time, out,
 * height, width). */
typedef struct {
  ort_tensor weight, bias, running_mean, running_var, shift;
  int training;
  double momentum, eps;
} ort_norm;
ort_error *ort_separable_layer(int flags, ort_tensor x, ort_tensor spatial, ort_tensor temporal,
                               const int64_t *padding, const ort_norm *norm, int frames_first, ort_tensor *out);
/* The variant in use: avx512, avx2, generic, or full. */
const char *ort_separable_variant(void);
ort_error *ort_avg_pool3d(int flags, ort_tensor x, const int64_t *kernel, ort_tensor *out);
ort_error *ort_max_pool3d(int flags, ort_tensor x, const int64_t *kernel, ort_tensor *out);
/* Training updates running_mean and running_var in place. */
ort_error *ort_batch_norm(int flags, ort_tensor x, ort_tensor weight, ort_tensor bias, ort_tensor running_mean,
                          ort_tensor running_var, int training, double momentum, double eps, ort_tensor *out);

/* A convolutional GRU over the frames of x (batch, channels, time, height, width): with
 * reset and update gates r, u = sigmoid(input * x + hidden * h + biases),
 *   h <- (1 - u) h + u tanh(input * x + hidden * (r h) + biases).
 * Kernels (channels out, channels in / groups, height, width) and biases (channels out)
 * are in the order reset, update, out. padding is that of the input; kernels of the
 * state are odd and keep its size. state (batch, channels, height, width) is the one
 * before the first frame, NULL for zeros. The result has all states (batch, channels,
 * time, height, width), laid out in memory as (batch, time, channels, height, width). */
typedef struct {
  ort_tensor input[3], input_bias[3], hidden[3], hidden_bias[3];
} ort_gru;
ort_error *ort_conv_gru(int flags, ort_tensor x, const ort_gru *weights, int64_t padding, int64_t groups,
                        ort_tensor state, ort_tensor *out);

/* torch.nn.functional.grid_sample of images (n, channels, height, width) at the points
 * grid (n, out height, out width, 2) = (x, y) from -1 to 1: bilinear, zero outside. */
ort_error *ort_grid_sample(int flags, ort_tensor x, ort_tensor grid, int align_corners, ort_tensor *out);

/* Losses of responses (batch, time, neurons): a sum, and (batch, neurons). */
ort_error *ort_poisson_loss(int flags, ort_tensor output, ort_tensor target, double bias, ort_tensor *out);
ort_error *ort_correlations(int flags, ort_tensor output, ort_tensor target, double bias, ort_tensor *out);

/* Creation. dtype is a c10::ScalarType; device a string such as "cpu", "cuda:0". */
ort_error *ort_from_bytes(const void *data, int64_t nbytes, int dtype, const int64_t *shape, int n,
                          const char *device, ort_tensor *out);
/* A tensor on the CPU over memory of the caller's, which must outlive it and all views of it. */
ort_error *ort_lend_float32(const float *data, int64_t size, const int64_t *shape, int n, ort_tensor *out);
ort_error *ort_full(double value, int dtype, const int64_t *shape, int n, const char *device, ort_tensor *out);
ort_error *ort_linspace(double start, double end, int64_t steps, const char *device, ort_tensor *out);
ort_error *ort_normal(ort_generator generator, double mean, double std, const int64_t *shape, int n,
                      const char *device, ort_tensor *out);
ort_error *ort_uniform(ort_generator generator, double from, double to, const int64_t *shape, int n,
                       const char *device, ort_tensor *out);
ort_error *ort_bernoulli(ort_generator generator, double p, const int64_t *shape, int n, const char *device,
                         ort_tensor *out);
ort_error *ort_to(int flags, ort_tensor x, int dtype, const char *device, ort_tensor *out);

/* Facts. sizes must hold ndim entries. */
ort_error *ort_ndim(ort_tensor x, int64_t *out);
ort_error *ort_sizes(ort_tensor x, int64_t *sizes);
ort_error *ort_dtype(ort_tensor x, int *out);
ort_error *ort_item(ort_tensor x, double *out);
/* Copies the elements in C order; nbytes must be their exact size. */
ort_error *ort_copy_out(ort_tensor x, void *dst, int64_t nbytes);

/* Autograd. */
ort_error *ort_set_requires_grad(ort_tensor x, int on);
ort_error *ort_requires_grad(ort_tensor x, int *out);
ort_error *ort_backward(ort_tensor loss);
ort_error *ort_backward_with(ort_tensor x, ort_tensor gradient);
ort_error *ort_grad(ort_tensor x, ort_tensor *out); /* NULL in out where there is none */
ort_error *ort_have_grad(const ort_tensor *tensors, int n, int *out);
ort_error *ort_clear_grads(const ort_tensor *tensors, int n);

/* In place, never recorded. */
ort_error *ort_copy_into(ort_tensor dst, ort_tensor src);
ort_error *ort_clamp_in_place(ort_tensor x, const double *min, const double *max);
ort_error *ort_add_in_place(ort_tensor x, double value);

/* Updates of many parameters at once, each with its gradient in .grad: contiguous,
 * of one float type, on one device. Where a guard is NaN or infinite nothing is
 * updated. norm is what the gradients had; those that are missing are left out. */
ort_error *ort_clip_grad_norm(const ort_tensor *params, int n, double max_norm, ort_tensor *norm);
typedef struct {
  double lr, beta1, beta2, eps, weight_decay;
  int decoupled; /* AdamW: decay the weights, not the gradient */
  int amsgrad;
  int maximize;
} ort_adam_options;
ort_error *ort_adam_step(const ort_tensor *params, const ort_tensor *exp_avg, const ort_tensor *exp_avg_sq,
                         const ort_tensor *max_exp_avg_sq, const double *steps, int n, const ort_tensor *guards,
                         int guard_count, const ort_adam_options *options);
typedef struct {
  double lr, momentum, dampening, weight_decay;
  int nesterov;
  int maximize;
} ort_sgd_options;
/* momentum_buffer[i] is used as is where first[i] is 0 and filled where it is 1. */
ort_error *ort_sgd_step(const ort_tensor *params, const ort_tensor *momentum_buffer, const int *first, int n,
                        const ort_tensor *guards, int guard_count, const ort_sgd_options *options);

/* Random generators. State is the byte string that torch.Generator.get_state gives. */
ort_error *ort_generator_new(uint64_t seed, const char *device, ort_generator *out);
ort_error *ort_generator_get_state(ort_generator generator, ort_tensor *out);
ort_error *ort_generator_set_state(ort_generator generator, ort_tensor state);
void ort_generator_free(ort_generator generator);

/* Life of handles. */
void ort_free(const ort_tensor *tensors, int n);
int64_t ort_live(void);
void ort_adopt(void); /* counts a handle made by gotorch */

/* The process. */
ort_error *ort_set_threads(int n);
int ort_get_threads(void);
int ort_set_grad_mode(int on); /* returns the mode before */
void ort_mark_thread(int mark); /* of the calling OS thread, for its life; it prints no warnings then */
int ort_thread_mark(void);      /* 0 where it has none */
ort_error *ort_load_cuda(const char *library); /* dlopen; before any question about CUDA */
ort_error *ort_cuda_device_count(int *out);
const char *ort_libtorch_version(void);

#ifdef __cplusplus
}
#endif
