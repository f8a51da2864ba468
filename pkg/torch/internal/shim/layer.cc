// A layer of the core as one operation: separable convolution, BatchNorm, bias, ELU.
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "separable_op.h"

using namespace ort;

namespace {

// The tensors of a layer beside the convolution's, (out) each; shift (1, out, 1, 1, 1).
struct Norm {
  at::Tensor weight, bias, mean, variance, shift;
  bool training;
  double momentum, eps;

  // Whether the kernels can compute with them.
  bool fit(int64_t channels) const {
    for (const auto *t : {&weight, &bias, &mean, &variance, &shift}) {
      if (!t->is_cpu() || t->scalar_type() != at::kFloat || t->numel() != channels || !t->is_contiguous()) return false;
    }
    return weight.dim() == 1 && bias.dim() == 1 && mean.dim() == 1 && variance.dim() == 1 &&
           shift.sizes() == at::IntArrayRef({1, channels, 1, 1, 1});
  }

  bool wants_gradient() const {
    return c10::GradMode::is_enabled() && (weight.requires_grad() || bias.requires_grad() || shift.requires_grad());
  }

  // By libtorch's own operations.
  at::Tensor composed(const at::Tensor &y) const {
    const auto normalised = at::batch_norm(y, weight, bias, mean, variance, training, momentum, eps, true);
    return at::elu(normalised + shift);
  }
};

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A gradient in the layout of what it is the gradient of.
at::Tensor laid_out_as(const at::Tensor &result, const at::Tensor &gradient) {
  return gradient.strides() == result.strides() ? gradient : at::empty_like(result).copy_(gradient);
}

// In evaluation BatchNorm is an affine map: its factor goes into the temporal weights,
// its offset and the bias into a shift that is added before the ELU. The gradient
// reaches x alone.
class EvaluatedLayer : public torch::autograd::Function<EvaluatedLayer> {
 public:
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &spatial,
                            const at::Tensor &temporal, const Norm &norm, const SeparableShape &s) {
    auto scale = at::empty({s.out}), shift = at::empty({s.out});
    for (int64_t o = 0; o < s.out; o++) {
      const auto value = [o](const at::Tensor &t) { return t.const_data_ptr<float>()[o]; };
      const float factor = value(norm.weight) / std::sqrt(value(norm.variance) + float(norm.eps));
      scale.mutable_data_ptr<float>()[o] = factor;
      shift.mutable_data_ptr<float>()[o] = value(norm.bias) - value(norm.mean) * factor + value(norm.shift);
    }
    const auto packed = pack_weights(spatial, temporal, scale);
    const auto lanes = pack_channels(shift);
    auto a = empty_result(s);
    separable_kernel().forward(s, x.const_data_ptr<float>(), packed.pointers(), {lanes.const_data_ptr<float>()},
                               a.mutable_data_ptr<float>());
    context->save_for_backward({x, a, packed.spatial, packed.temporal});
    context->saved_data["shape"] = to_ivalue(s);
    return a;
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto s = to_shape(context->saved_data["shape"]);
    const auto grad = laid_out_as(saved[1], gradients[0]);
    const OutputGradient from = {
        grad.const_data_ptr<float>(), saved[1].const_data_ptr<float>(), nullptr, nullptr, nullptr, nullptr};
    const auto g =
        separable_gradients(s, saved[0], {}, {}, {saved[2], saved[3]}, from, /*want_x=*/true, false);
    return {g.x, {}, {}, {}, {}};
  }
};

// In training BatchNorm takes the batch's mean and variance, which need all of the
// convolution's result; after that one pass gives the ELU's. Backward, two sums over
// the batch give each channel's gradient as a linear map that the convolution's own
// gradients apply while they read.
class TrainedLayer : public torch::autograd::Function<TrainedLayer> {
 public:
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &spatial,
                            const at::Tensor &temporal, const at::Tensor &weight, const at::Tensor &bias,
                            const at::Tensor &shift, const Norm &norm, const SeparableShape &s) {
    const auto packed = pack_weights(spatial, temporal);
    auto y = empty_result(s), a = empty_result(s);
    separable_kernel().forward(s, x.const_data_ptr<float>(), packed.pointers(), {nullptr},
                               y.mutable_data_ptr<float>());
    const auto statistics = batch_statistics(s, y, norm);
    const double *known = statistics.const_data_ptr<double>();
    auto scale = at::empty({s.out}), offset = at::empty({s.out});
    for (int64_t o = 0; o < s.out; o++) {
      const double factor = weight.const_data_ptr<float>()[o] * known[s.out + o];
      scale.mutable_data_ptr<float>()[o] = float(factor);
      offset.mutable_data_ptr<float>()[o] =
          float(bias.const_data_ptr<float>()[o] + shift.const_data_ptr<float>()[o] - known[o] * factor);
    }
    separable_kernel().activate(s, y.const_data_ptr<float>(), scale.const_data_ptr<float>(),
                                offset.const_data_ptr<float>(), a.mutable_data_ptr<float>());
    context->save_for_backward({x, spatial, temporal, weight, packed.spatial, packed.temporal, y, a, statistics});
    context->saved_data["shape"] = to_ivalue(s);
    return a;
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[3], &y = saved[6], &a = saved[7], &statistics = saved[8];
    const auto s = to_shape(context->saved_data["shape"]);
    const auto grad = laid_out_as(a, gradients[0]);
    OutputGradient from = {grad.const_data_ptr<float>(), a.const_data_ptr<float>(), y.const_data_ptr<float>(),
                           nullptr,                      nullptr,                   nullptr};
    auto grad_weight = at::empty({s.out}), grad_bias = at::empty({s.out});
    auto maps = at::empty({3, s.out}); // pass, slope, offset of OutputGradient
    channel_gradients(s, from, weight, statistics, grad_weight, grad_bias, maps);
    const auto pass = pack_channels(maps[0]), slope = pack_channels(maps[1]), offset = pack_channels(maps[2]);
    from.pass = pass.const_data_ptr<float>(), from.slope = slope.const_data_ptr<float>();
    from.offset = offset.const_data_ptr<float>();
    const auto g = separable_gradients(s, x, saved[1], saved[2], {saved[4], saved[5]}, from,
                                       context->needs_input_grad(0), true);
    // Not one tensor twice: clipping scales gradients in place.
    return {g.x, g.spatial, g.temporal, grad_weight, grad_bias, grad_bias.clone().view({1, s.out, 1, 1, 1}), {}, {}};
  }

 private:
  // Each channel's mean and 1/sqrt(variance + eps), in double; moves the running ones.
  static at::Tensor batch_statistics(const SeparableShape &s, const at::Tensor &y, const Norm &norm) {
    const int64_t batch = s.batch, channels = s.out, length = y.numel() / (batch * channels);
    std::vector<double> means(batch * channels), squares(batch * channels);
    separable_kernel().moments(s, y.const_data_ptr<float>(), means.data(), squares.data());
    auto statistics = at::empty({2 * channels}, at::kDouble);
    double *to = statistics.mutable_data_ptr<double>();
    const double count = double(batch) * double(length);
    for (int64_t c = 0; c < channels; c++) {
      double mean = 0, square = 0;
      for (int64_t clip = 0; clip < batch; clip++) mean += means[clip * channels + c];
      mean /= double(batch);
      for (int64_t clip = 0; clip < batch; clip++) {
        const double d = means[clip * channels + c] - mean;
        square += squares[clip * channels + c] + d * d * double(length);
      }
      to[c] = mean, to[channels + c] = 1 / std::sqrt(square / count + norm.eps);
      const auto move = [&](const at::Tensor &running, double value) {
        float &old = running.mutable_data_ptr<float>()[c];
        old = float(norm.momentum * value + (1 - norm.momentum) * old);
      };
      move(norm.mean, mean), move(norm.variance, square / (count - 1));
    }
    return statistics;
  }

  // The gradients of BatchNorm's weight and bias, and the map to that of y: with
  // n = (y - mean) * inverse and N values of a channel,
  //   gy = weight * inverse * (g - sum(g)/N - n * sum(g*n)/N).
  static void channel_gradients(const SeparableShape &s, const OutputGradient &from, const at::Tensor &weight,
                                const at::Tensor &statistics, at::Tensor &grad_weight, at::Tensor &grad_bias,
                                at::Tensor &maps) {
    std::vector<double> sums(s.batch * s.out), products(s.batch * s.out);
    separable_kernel().gradient_sums(s, from, sums.data(), products.data());
    const double count = double(s.batch * s.out_frames() * s.out_height() * s.out_width());
    const double *known = statistics.const_data_ptr<double>();
    for (int64_t o = 0; o < s.out; o++) {
      double sum = 0, product = 0;
      for (int64_t clip = 0; clip < s.batch; clip++) {
        sum += sums[clip * s.out + o], product += products[clip * s.out + o];
      }
      const double mean = known[o], inverse = known[s.out + o];
      const double normalised = inverse * (product - mean * sum); // sum(g*n)
      const double scale = weight.const_data_ptr<float>()[o] * inverse;
      grad_weight.mutable_data_ptr<float>()[o] = float(normalised);
      grad_bias.mutable_data_ptr<float>()[o] = float(sum);
      float *map = maps.mutable_data_ptr<float>() + o;
      map[0] = float(scale);
      map[s.out] = float(-scale * inverse * normalised / count);
      map[2 * s.out] = float(scale * (mean * inverse * normalised - sum) / count);
    }
  }
};

at::Tensor layer(const SeparableOperands &operands, const Norm &norm, bool frames_first) {
  if (!operands.fit()) return norm.composed(operands.composed());
  if (!norm.fit(operands.spatial.size(0))) return norm.composed(operands.fused());
  const auto x = operands.padded_frames();
  const auto s = operands.shape(x, frames_first);
  const bool weights = c10::GradMode::is_enabled() &&
                       (operands.spatial.requires_grad() || operands.temporal.requires_grad() || norm.wants_gradient());
  if (norm.training && s.batch * s.out_frames() * s.out_height() * s.out_width() > 1) {
    return TrainedLayer::apply(x, operands.spatial, operands.temporal, norm.weight, norm.bias, norm.shift, norm, s);
  }
  if (norm.training || weights) return norm.composed(operands.fused());
  return EvaluatedLayer::apply(x, operands.spatial, operands.temporal, norm, s);
}

}  // namespace

ORT_API ort_error *ort_separable_layer(int flags, ort_tensor x, ort_tensor spatial, ort_tensor temporal,
                                       const int64_t *padding, const ort_norm *norm, int frames_first,
                                       ort_tensor *out) {
  return produce(flags, out, [&] {
    return layer({tensor(x), tensor(spatial), tensor(temporal), padding},
                 {tensor(norm->weight), tensor(norm->bias), tensor(norm->running_mean), tensor(norm->running_var),
                  tensor(norm->shift), norm->training != 0, norm->momentum, norm->eps},
                 frames_first != 0);
  });
}
