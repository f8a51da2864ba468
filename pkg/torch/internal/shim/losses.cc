// Losses of responses (batch, time, neurons), each in one go over memory where
// libtorch's operations make ten: the responses of thousands of neurons are larger
// than any cache.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common.h"

using namespace ort;

namespace {

// Whether the loops here can compute it; all else is libtorch's, errors included.
bool fits(const at::Tensor &output, const at::Tensor &target) {
  const auto type = output.scalar_type();
  return output.is_cpu() && target.is_cpu() && output.dim() == 3 && output.sizes() == target.sizes() &&
         output.numel() > 0 && type == target.scalar_type() && (type == at::kFloat || type == at::kDouble) &&
         !target.requires_grad();
}

// The clips of a tensor (batch, time, neurons), each one piece of memory.
template <class T>
class Clips {
 public:
  explicit Clips(const at::Tensor &t)
      : held_(t.stride(2) == 1 && t.stride(1) == t.size(2) ? t : t.contiguous()), values_(held_.data_ptr<T>()) {}
  const T *operator[](int64_t clip) const { return values_ + clip * held_.stride(0); }

 private:
  const at::Tensor held_;
  const T *const values_;
};

// Calls f(first, end) for blocks of clips that a cache holds well. They are the
// same for any number of threads.
template <class F>
void each_block(const at::Tensor &t, F f) {
  constexpr int64_t kValues = 1 << 14;
  const int64_t clips = t.size(0), of_each = std::max<int64_t>(1, kValues * clips / t.numel());
  at::parallel_for(0, (clips + of_each - 1) / of_each, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block++) {
      f(block * of_each, std::min(clips, (block + 1) * of_each));
    }
  });
}

template <class T>
double poisson_sum(const at::Tensor &output, const at::Tensor &target, double bias) {
  const Clips<T> y(output), r(target);
  const int64_t clips = output.size(0), size = output.numel() / clips;
  std::vector<double> sums(clips);
  each_block(output, [&](int64_t first, int64_t end) {
    at::AutoDispatchBelowADInplaceOrView unrecorded;  // the mode is one of the thread
    const auto logs = at::add(output.narrow(0, first, end - first), bias).log_();
    const Clips<T> log(logs);
    for (int64_t clip = first; clip < end; clip++) {
      const T *a = y[clip], *b = r[clip], *l = log[clip - first];
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < size; i++) sum += a[i] - b[i] * l[i];
      sums[clip] = sum;
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

template <class T>
void poisson_gradient(const at::Tensor &output, const at::Tensor &target, T bias, T scale, const at::Tensor &gradient) {
  const Clips<T> y(output), r(target);
  const int64_t size = output.numel() / output.size(0);
  each_block(output, [&](int64_t first, int64_t end) {
    for (int64_t clip = first; clip < end; clip++) {
      const T *a = y[clip], *b = r[clip];
      T *g = gradient.data_ptr<T>() + clip * size;
#pragma omp simd
      for (int64_t i = 0; i < size; i++) g[i] = scale - scale * b[i] / (a[i] + bias);
    }
  });
}

class PoissonLoss : public torch::autograd::Function<PoissonLoss> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &output,
                            const at::Tensor &target, double bias) {
    context->save_for_backward({output, target});
    context->saved_data["bias"] = bias;
    return AT_DISPATCH_FLOATING_TYPES(output.scalar_type(), "poisson_loss", [&] {
      return at::full({}, static_cast<scalar_t>(poisson_sum<scalar_t>(output, target, bias)), output.options());
    });
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 const torch::autograd::variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto gradient = at::empty(saved[0].sizes(), saved[0].options());
    AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "poisson_loss_backward", [&] {
      poisson_gradient<scalar_t>(saved[0], saved[1], context->saved_data["bias"].toDouble(),
                                 gradients[0].item<scalar_t>(), gradient);
    });
    return {gradient, {}, {}};
  }
};

// The correlations of one clip. Sums are kept in double precision: a movie may be
// long.
template <class T>
void correlate(const T *y, const T *r, int64_t frames, int64_t neurons, double bias, double *sums, T *result) {
  std::fill_n(sums, 5 * neurons, 0.0);
  double *mean_y = sums, *mean_r = mean_y + neurons, *yy = mean_r + neurons, *rr = yy + neurons, *yr = rr + neurons;
  const double n = frames;
  for (int64_t t = 0; t < frames; t++) {
#pragma omp simd
    for (int64_t i = 0; i < neurons; i++) {
      mean_y[i] += y[t * neurons + i];
      mean_r[i] += r[t * neurons + i];
    }
  }
  for (int64_t i = 0; i < 2 * neurons; i++) sums[i] /= n;
  for (int64_t t = 0; t < frames; t++) {
#pragma omp simd
    for (int64_t i = 0; i < neurons; i++) {
      const double a = y[t * neurons + i] - mean_y[i], b = r[t * neurons + i] - mean_r[i];
      yy[i] += a * a;
      rr[i] += b * b;
      yr[i] += a * b;
    }
  }
  for (int64_t i = 0; i < neurons; i++) {
    result[i] = static_cast<T>(yr[i] / n / std::sqrt((yy[i] / n + bias) * (rr[i] / n + bias)));
  }
}

template <class T>
void correlate_clips(const at::Tensor &output, const at::Tensor &target, double bias, const at::Tensor &result) {
  const Clips<T> y(output), r(target);
  const int64_t frames = output.size(1), neurons = output.size(2);
  each_block(output, [&](int64_t first, int64_t end) {
    std::vector<double> sums(5 * neurons);
    for (int64_t clip = first; clip < end; clip++) {
      correlate(y[clip], r[clip], frames, neurons, bias, sums.data(), result.data_ptr<T>() + clip * neurons);
    }
  });
}

at::Tensor composed_correlations(const at::Tensor &output, const at::Tensor &target, double bias) {
  const auto a = output - output.mean(1, true), b = target - target.mean(1, true);
  const auto variance = [&](const at::Tensor &delta) { return delta.square().mean(1) + bias; };
  return (a * b).mean(1) / (variance(a) * variance(b)).sqrt();
}

}  // namespace

ORT_API ort_error *ort_poisson_loss(int flags, ort_tensor output, ort_tensor target, double bias, ort_tensor *out) {
  return produce(flags, out, [&] {
    const auto &y = tensor(output), &r = tensor(target);
    return fits(y, r) ? PoissonLoss::apply(y, r, bias) : (y - r * (y + bias).log()).sum();
  });
}

ORT_API ort_error *ort_correlations(int flags, ort_tensor output, ort_tensor target, double bias, ort_tensor *out) {
  return produce(flags, out, [&] {
    const auto &y = tensor(output), &r = tensor(target);
    const bool recorded = c10::GradMode::is_enabled() && y.requires_grad();
    if (recorded || !fits(y, r)) return composed_correlations(y, r, bias);
    const auto result = at::empty({y.size(0), y.size(2)}, y.options());
    AT_DISPATCH_FLOATING_TYPES(y.scalar_type(), "correlations",
                               [&] { correlate_clips<scalar_t>(y, r, bias, result); });
    return result;
  });
}
