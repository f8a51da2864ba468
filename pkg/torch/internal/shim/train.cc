// Gradients and the updates of parameters that use them. The updates are
// libtorch's fused ones: a few kernels for all parameters, and on a GPU nothing
// that waits for it.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "common.h"

using namespace ort;

ORT_API ort_error *ort_set_requires_grad(ort_tensor x, int on) {
  return guard([&] { tensor(x).set_requires_grad(on != 0); });
}

ORT_API ort_error *ort_requires_grad(ort_tensor x, int *out) {
  return guard([&] { *out = tensor(x).requires_grad(); });
}

ORT_API ort_error *ort_backward(ort_tensor loss) {
  return guard([&] { tensor(loss).backward(); });
}

ORT_API ort_error *ort_backward_with(ort_tensor x, ort_tensor gradient) {
  return guard([&] { tensor(x).backward(tensor(gradient)); });
}

ORT_API ort_error *ort_grad(ort_tensor x, ort_tensor *out) {
  *out = nullptr;
  return guard([&] {
    const auto &grad = tensor(x).grad();
    if (!grad.defined()) return;
    *out = new at::Tensor(grad);
    live++;
  });
}

ORT_API ort_error *ort_have_grad(const ort_tensor *tensors, int n, int *out) {
  return guard([&] {
    for (int i = 0; i < n; i++) out[i] = tensor(tensors[i]).grad().defined();
  });
}

ORT_API ort_error *ort_clear_grads(const ort_tensor *tensors, int n) {
  return guard([&] {
    for (int i = 0; i < n; i++) tensor(tensors[i]).mutable_grad().reset();
  });
}

ORT_API ort_error *ort_copy_into(ort_tensor dst, ort_tensor src) {
  return guard([&] {
    c10::AutoGradMode off(false);
    TORCH_CHECK(tensor(dst).sizes() == tensor(src).sizes(), "cannot copy shape ", tensor(src).sizes(), " into shape ",
                tensor(dst).sizes());
    tensor(dst).copy_(tensor(src));
  });
}

ORT_API ort_error *ort_clamp_in_place(ort_tensor x, const double *min, const double *max) {
  return guard([&] {
    // Through variable_data(), so that recorded operations may precede and follow
    // it, as with `.data.clamp_()` in Python.
    c10::AutoGradMode off(false);
    tensor(x).variable_data().clamp_(bound(min), bound(max));
  });
}

ORT_API ort_error *ort_add_in_place(ort_tensor x, double value) {
  return guard([&] {
    c10::AutoGradMode off(false);
    const bool whole = at::isIntegralType(tensor(x).scalar_type(), /*includeBool=*/false);
    tensor(x).add_(whole ? at::Scalar(static_cast<int64_t>(value)) : at::Scalar(value));
  });
}

namespace {

bool plain(const at::Tensor &t) { return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous(); }

// The clipping in plain loops: dozens of operations on a few numbers each would take
// longer than all of the update.
at::Tensor clip_plain(const std::vector<at::Tensor> &grads, double max_norm) {
  double squares = 0;
  for (const auto &grad : grads) {
    const float *g = grad.data_ptr<float>();
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < grad.numel(); i++) sum += static_cast<double>(g[i]) * g[i];
    squares += sum;
  }
  const double norm = std::sqrt(squares), coefficient = max_norm / (norm + 1e-6);
  if (!(coefficient >= 1)) {
    for (const auto &grad : grads) {
      float *g = grad.data_ptr<float>();
      for (int64_t i = 0; i < grad.numel(); i++) g[i] *= static_cast<float>(coefficient);
    }
  }
  return at::full({}, static_cast<float>(norm), grads[0].options());  // infinite where a float cannot hold it
}

}  // namespace

// torch.nn.utils.clip_grad_norm_ with the 2-norm over all gradients.
ORT_API ort_error *ort_clip_grad_norm(const ort_tensor *params, int n, double max_norm, ort_tensor *norm) {
  return produce(0, norm, [&] {
    std::vector<at::Tensor> grads;
    for (int i = 0; i < n; i++) {
      const auto &grad = tensor(params[i]).grad();
      if (grad.defined()) grads.push_back(grad);
    }
    if (grads.empty()) return n > 0 ? at::zeros({}, tensor(params[0]).options()) : at::zeros({});
    if (std::all_of(grads.begin(), grads.end(), plain)) return clip_plain(grads, max_norm);
    const auto total = at::linalg_vector_norm(at::stack(at::_foreach_norm(grads, 2)), 2);
    at::_foreach_mul_(grads, at::clamp_max(max_norm / (total + 1e-6), 1.0));
    return total;
  });
}

namespace {

// Parameters with their gradients, ready for a fused update. Those go over bare
// memory and check next to nothing, so it is checked here.
class Updated {
 public:
  std::vector<at::Tensor> params, grads;

  Updated(const ort_tensor *handles, int n) : params(tensors(handles, n)) {
    for (size_t i = 0; i < params.size(); i++) {
      TORCH_CHECK(at::isFloatingType(params[i].scalar_type()), "parameter ", i, " has no dtype to be trained in: ",
                  params[i].scalar_type());
      TORCH_CHECK(params[i].grad().defined(), "parameter ", i, " has no gradient");
      check(params[i], i);
      grads.push_back(params[i].grad().contiguous());
      check(grads[i], i);
    }
  }

  // One tensor for each parameter, which the update writes too.
  std::vector<at::Tensor> state(const ort_tensor *handles) const {
    auto list = tensors(handles, static_cast<int>(params.size()));
    for (size_t i = 0; i < list.size(); i++) check(list[i], i);
    return list;
  }

  // 1 where one of the guards is NaN or infinite: the update does nothing then.
  std::optional<at::Tensor> not_finite(const ort_tensor *guards, int n) const {
    if (n == 0) return std::nullopt;
    std::vector<at::Tensor> values;
    for (int i = 0; i < n; i++) values.push_back(tensor(guards[i]).detach().to(params[0].device(), at::kFloat).sum());
    return at::stack(values).isfinite().all().logical_not().to(at::kFloat);
  }

 private:
  void check(const at::Tensor &t, size_t i) const {
    TORCH_CHECK(t.sizes() == params[i].sizes(), "parameter ", i, " of shape ", params[i].sizes(),
                " cannot be updated with a tensor of shape ", t.sizes());
    TORCH_CHECK(t.device() == params[0].device(), "parameter ", i, ": expected all tensors to be on the same device");
    TORCH_CHECK(t.scalar_type() == params[0].scalar_type(), "parameter ", i, ": expected all tensors to have the same dtype");
    TORCH_CHECK(t.is_contiguous(), "parameter ", i, " and its state must be contiguous");
  }
};

// The fused updates start all threads for each parameter, however small. Where the
// other threads are busy elsewhere, waiting for them takes a thousand times longer
// than the update: so it is left to one, unless the parameters are large.
class FewThreads {
 public:
  explicit FewThreads(const std::vector<at::Tensor> &params) : before_(omp_get_max_threads()) {
    int64_t values = 0;
    for (const auto &p : params) values += p.numel();
    if (values < static_cast<int64_t>(params.size()) << 18) omp_set_num_threads(1);
  }
  ~FewThreads() { omp_set_num_threads(before_); }
  FewThreads(const FewThreads &) = delete;

 private:
  const int before_;
};

// What the fused updates read the number of a step from: parameters that were
// updated equally often share a tensor.
std::vector<at::Tensor> counters(const double *steps, int n, const at::Tensor &like) {
  std::map<double, at::Tensor> by_count;
  std::vector<at::Tensor> list;
  for (int i = 0; i < n; i++) {
    auto &counter = by_count[steps[i]];
    if (!counter.defined()) counter = at::full({}, steps[i], like.options().dtype(at::kFloat));
    list.push_back(counter);
  }
  return list;
}

}  // namespace

// torch.optim.Adam and AdamW.
ORT_API ort_error *ort_adam_step(const ort_tensor *params, const ort_tensor *exp_avg, const ort_tensor *exp_avg_sq,
                                 const ort_tensor *max_exp_avg_sq, const double *steps, int n, const ort_tensor *guards,
                                 int guard_count, const ort_adam_options *o) {
  return guard([&] {
    c10::AutoGradMode off(false);
    if (n == 0) return;
    const Updated u(params, n);
    const auto m = u.state(exp_avg), v = u.state(exp_avg_sq);
    const auto largest = o->amsgrad ? u.state(max_exp_avg_sq) : std::vector<at::Tensor>();
    const FewThreads threads(u.params);
    const auto update = o->decoupled ? &at::_ops::_fused_adamw_::call : &at::_ops::_fused_adam_::call;
    update(u.params, u.grads, m, v, largest, counters(steps, n, u.params[0]), o->lr, o->beta1, o->beta2,
           o->weight_decay, o->eps, o->amsgrad != 0, o->maximize != 0, {}, u.not_finite(guards, guard_count));
  });
}

ORT_API ort_error *ort_sgd_step(const ort_tensor *params, const ort_tensor *momentum_buffer, const int *first, int n,
                                const ort_tensor *guards, int guard_count, const ort_sgd_options *o) {
  return guard([&] {
    c10::AutoGradMode off(false);
    if (n == 0) return;
    const Updated u(params, n);
    const auto buffers = o->momentum != 0 ? u.state(momentum_buffer) : std::vector<at::Tensor>();
    const auto stop = u.not_finite(guards, guard_count);
    const FewThreads threads(u.params);
    for (const bool start : {false, true}) {  // a buffer's first value is the gradient
      std::vector<at::Tensor> p, g, b;
      for (int i = 0; i < n; i++) {
        if ((first[i] != 0) != start) continue;
        p.push_back(u.params[i]);
        g.push_back(u.grads[i]);
        if (!buffers.empty()) b.push_back(buffers[i]);
      }
      if (p.empty()) continue;
      at::_fused_sgd_(p, g, b, o->weight_decay, o->momentum, o->lr, o->dampening, o->nesterov != 0, o->maximize != 0,
                      start, {}, stop);
    }
  });
}
