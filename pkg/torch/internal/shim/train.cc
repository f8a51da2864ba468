// Gradients and the updates of parameters that use them.
#include <cmath>

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

ORT_API ort_error *ort_clear_grad(ort_tensor x) {
  return guard([&] { tensor(x).mutable_grad().reset(); });
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

// torch.nn.utils.clip_grad_norm_ with the 2-norm over all gradients.
ORT_API ort_error *ort_clip_grad_norm(const ort_tensor *params, int n, double max_norm, double *total_norm) {
  return guard([&] {
    c10::AutoGradMode off(false);
    std::vector<at::Tensor> grads, norms;
    for (int i = 0; i < n; i++) {
      const auto &grad = tensor(params[i]).grad();
      if (!grad.defined()) continue;
      grads.push_back(grad);
      norms.push_back(at::linalg_vector_norm(grad, 2));
    }
    *total_norm = 0;
    if (grads.empty()) return;
    auto total = at::linalg_vector_norm(at::stack(norms), 2);
    auto coefficient = at::clamp_max(max_norm / (total + 1e-6), 1.0);
    for (auto &grad : grads) grad.mul_(coefficient);
    *total_norm = total.item().toDouble();
  });
}

// torch.optim.Adam and AdamW, one tensor after another in PyTorch's own order
// of operations, so that the rounding is the same.
ORT_API ort_error *ort_adam_step(const ort_tensor *params, const ort_tensor *exp_avg, const ort_tensor *exp_avg_sq,
                                 const ort_tensor *max_exp_avg_sq, const double *steps, int n,
                                 const ort_adam_options *o) {
  return guard([&] {
    c10::AutoGradMode off(false);
    for (int i = 0; i < n; i++) {
      const auto &param = tensor(params[i]), &m = tensor(exp_avg[i]), &v = tensor(exp_avg_sq[i]);
      auto grad = o->maximize ? param.grad().neg() : param.grad();
      if (o->decoupled) {
        param.mul_(1 - o->lr * o->weight_decay);
      } else if (o->weight_decay != 0) {
        grad = grad.add(param, o->weight_decay);
      }
      m.lerp_(grad, 1 - o->beta1);
      v.mul_(o->beta2).addcmul_(grad, grad, 1 - o->beta2);
      const double correction1 = 1 - std::pow(o->beta1, steps[i]);
      const double correction2 = std::sqrt(1 - std::pow(o->beta2, steps[i]));
      at::Tensor second = v;
      if (o->amsgrad) {
        second = tensor(max_exp_avg_sq[i]);
        at::maximum_out(second, second, v);
      }
      auto denominator = (second.sqrt() / correction2).add_(o->eps);
      param.addcdiv_(m, denominator, -o->lr / correction1);
    }
  });
}

ORT_API ort_error *ort_sgd_step(const ort_tensor *params, const ort_tensor *momentum_buffer, const int *first, int n,
                                const ort_sgd_options *o) {
  return guard([&] {
    c10::AutoGradMode off(false);
    for (int i = 0; i < n; i++) {
      const auto &param = tensor(params[i]);
      auto grad = o->maximize ? param.grad().neg() : param.grad();
      if (o->weight_decay != 0) grad = grad.add(param, o->weight_decay);
      if (o->momentum != 0) {
        const auto &buffer = tensor(momentum_buffer[i]);
        if (first[i]) {
          buffer.copy_(grad);
        } else {
          buffer.mul_(o->momentum).add_(grad, 1 - o->dampening);
        }
        grad = o->nesterov ? grad.add(buffer, o->momentum) : buffer;
      }
      param.add_(grad, -o->lr);
    }
  });
}
