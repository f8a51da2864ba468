// A convolutional GRU over all frames of clips, as one operation with a gradient of
// its own. The convolutions of the input, which wait for no state, run over all frames
// at once, and so do the gradients of the weights; only what depends on the frame
// before goes frame by frame.
#include <torch/csrc/autograd/custom_function.h>

#include "common.h"

using namespace ort;

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Kernels of equal shape (out, in / groups, height, width) for the same input, as one
// kernel. A grouped convolution wants the output channels of a group side by side, so
// they are ordered by group, gate, channel.
at::Tensor stacked(const std::vector<at::Tensor> &kernels, int64_t groups) {
  if (groups == 1) return at::cat(kernels);
  std::vector<at::Tensor> parts;
  for (const auto &kernel : kernels) parts.push_back(kernel.unflatten(0, {groups, -1}));
  return at::cat(parts, 1).flatten(0, 1);
}

// Channels ordered by outer, inner, channel in the order inner, outer, channel.
at::Tensor reordered(const at::Tensor &y, int64_t outer, int64_t inner) {
  if (outer == 1 || inner == 1) return y;
  return y.unflatten(1, {outer, inner, -1}).transpose(1, 2).flatten(1, 3);
}

// Convolutions of a state with odd kernels, which keep its size, as one: the results
// (batch, gate * channel, height, width) lie side by side.
class Recurrent {
 public:
  Recurrent(const std::vector<at::Tensor> &kernels, int64_t groups)
      : kernel_(stacked(kernels, groups)), gates_(int64_t(kernels.size())), groups_(groups),
        padding_{kernel_.size(2) / 2, kernel_.size(3) / 2} {}

  at::Tensor operator()(const at::Tensor &state) const {
    return reordered(at::conv2d(state, kernel_, {}, 1, padding_, 1, groups_), groups_, gates_);
  }

  // The gradient of the state from that of the results.
  at::Tensor state_gradient(const at::Tensor &gradient) const {
    return at::conv_transpose2d(reordered(gradient, gates_, groups_), kernel_, {}, 1, padding_, 0, groups_);
  }

  // The gradients of the kernels from those of all results.
  std::vector<at::Tensor> kernel_gradients(const at::Tensor &states, const at::Tensor &gradients) const {
    const auto grad = std::get<1>(at::convolution_backward(reordered(gradients, gates_, groups_), states, kernel_,
                                                           std::nullopt, {1, 1}, padding_, {1, 1}, false, {0, 0},
                                                           groups_, {false, true, false}));
    if (groups_ == 1) return grad.chunk(gates_);
    std::vector<at::Tensor> parts;
    for (const auto &part : grad.unflatten(0, {groups_, gates_, -1}).unbind(1)) parts.push_back(part.flatten(0, 1));
    return parts;
  }

 private:
  at::Tensor kernel_;
  int64_t gates_, groups_;
  std::vector<int64_t> padding_;
};

// What the input gives the gates, (batch, time, 3 * channels, height, width) in the
// order reset, update, out, and the kernels of the state.
struct Recurrence {
  at::Tensor input;
  Recurrent gates, out;

  int64_t frames() const { return input.size(1); }
  int64_t channels() const { return input.size(2) / 3; }
};

// The states (batch, time, channels, height, width) that follow state. kept, where it
// is defined, gets the values of the gates (3 * channels) of each frame, (time, batch, ...).
at::Tensor run(const Recurrence &r, at::Tensor state, const at::Tensor &kept) {
  const int64_t channels = r.channels();
  auto shape = r.input.sizes().vec();
  shape[2] = channels;
  auto states = at::empty(shape, r.input.options());
  for (int64_t t = 0; t < r.frames(); t++) {
    const auto input = r.input.select(1, t);
    const auto gates = r.gates(state).add_(input.narrow(1, 0, 2 * channels)).sigmoid_();
    const auto reset = gates.narrow(1, 0, channels), update = gates.narrow(1, channels, channels);
    const auto out = r.out(state * reset).add_(input.narrow(1, 2 * channels, channels)).tanh_();
    state = at::lerp(state, out, update);
    states.select(1, t).copy_(state);
    if (!kept.defined()) continue;
    kept[t].narrow(1, 0, 2 * channels).copy_(gates);
    kept[t].narrow(1, 2 * channels, channels).copy_(out);
  }
  return states;
}

class RecordedGRU : public torch::autograd::Function<RecordedGRU> {
 public:
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, const at::Tensor &reset,
                            const at::Tensor &update, const at::Tensor &out, const at::Tensor &state, int64_t groups) {
    auto shape = input.sizes().vec();
    std::swap(shape[0], shape[1]);
    const auto kept = at::empty(shape, input.options());
    const auto states = run({input, {{reset, update}, groups}, {{out}, groups}}, state, kept);
    context->save_for_backward({reset, update, out, state, states, kept});
    context->saved_data["groups"] = groups;
    return states;
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto &first = saved[3], &states = saved[4], &kept = saved[5];
    const int64_t groups = context->saved_data["groups"].toInt();
    const Recurrent gates({saved[0], saved[1]}, groups), out({saved[2]}, groups);
    const int64_t frames = states.size(1), channels = states.size(2);
    // Of the sums inside the gates.
    const auto inner = at::empty_like(kept);
    at::Tensor carried;
    for (int64_t t = frames - 1; t >= 0; t--) {
      const auto before = t > 0 ? states.select(1, t - 1) : first;
      const auto reset = kept[t].narrow(1, 0, channels), update = kept[t].narrow(1, channels, channels);
      const auto candidate = kept[t].narrow(1, 2 * channels, channels);
      auto of_state = gradients[0].select(1, t);
      if (carried.defined()) of_state = of_state + carried;
      auto of_reset = inner[t].narrow(1, 0, channels), of_update = inner[t].narrow(1, channels, channels);
      auto of_out = inner[t].narrow(1, 2 * channels, channels);
      const auto kept_back = of_state * (1 - update);
      at::sub_out(of_out, of_state, kept_back).mul_(1 - candidate.square());
      of_update.copy_(candidate).sub_(before).mul_(kept_back).mul_(update);
      const auto through_out = out.state_gradient(of_out);
      at::mul_out(of_reset, through_out, before).mul_(reset).mul_(1 - reset);
      carried = gates.state_gradient(inner[t].narrow(1, 0, 2 * channels)).addcmul_(through_out, reset).add_(kept_back);
    }
    const auto previous = at::cat({first.unsqueeze(0), states.narrow(1, 0, frames - 1).transpose(0, 1)});
    const auto images = [](const at::Tensor &t) { return t.flatten(0, 1); };
    const auto of_gates =
        gates.kernel_gradients(images(previous), images(inner.narrow(2, 0, 2 * channels)));
    const auto of_out = out.kernel_gradients(images(previous * kept.narrow(2, 0, channels)),
                                             images(inner.narrow(2, 2 * channels, channels)));
    return {inner.transpose(0, 1), of_gates[0], of_gates[1], of_out[0], carried, {}};
  }
};

struct Weights {
  std::vector<at::Tensor> input, input_bias, hidden, hidden_bias;

  explicit Weights(const ort_gru *g)
      : input(tensors(g->input, 3)), input_bias(tensors(g->input_bias, 3)), hidden(tensors(g->hidden, 3)),
        hidden_bias(tensors(g->hidden_bias, 3)) {}

  void check(const at::Tensor &x, int64_t groups) const {
    TORCH_CHECK_VALUE(x.dim() == 5, "a GRU takes (batch, channels, time, height, width), not ", x.sizes());
    TORCH_CHECK_VALUE(x.size(2) > 0, "a GRU needs at least one frame");
    TORCH_CHECK_VALUE(groups > 0, "groups must be at least 1, got ", groups);
    for (int i = 0; i < 3; i++) {
      TORCH_CHECK_VALUE(input[i].dim() == 4 && hidden[i].dim() == 4 && input[i].sizes() == input[0].sizes() &&
                            hidden[i].sizes() == hidden[0].sizes(),
                        "the kernels of a GRU must have equal shapes of four dimensions");
      TORCH_CHECK_VALUE(hidden[i].size(2) % 2 == 1 && hidden[i].size(3) % 2 == 1,
                        "the kernels of a GRU's state must be odd, got ", hidden[i].sizes());
    }
    TORCH_CHECK_VALUE(hidden[0].size(0) == input[0].size(0) && hidden[0].size(0) % groups == 0 &&
                          hidden[0].size(1) * groups == hidden[0].size(0),
                      "kernels of shape ", hidden[0].sizes(), " do not map a state of ", input[0].size(0),
                      " channels in ", groups, " groups to itself");
  }

  // What all frames give the gates. The state's biases are added to the input's.
  at::Tensor of_input(const at::Tensor &x, int64_t padding, int64_t groups) const {
    std::vector<at::Tensor> biases;
    for (int i = 0; i < 3; i++) biases.push_back(input_bias[i] + hidden_bias[i]);
    const auto frames = x.transpose(1, 2);
    const auto y = at::conv2d(frames.flatten(0, 1), stacked(input, groups), stacked(biases, groups), 1, padding, 1, groups);
    return reordered(y, groups, 3).unflatten(0, {x.size(0), x.size(2)});
  }
};

at::Tensor gru(const at::Tensor &x, const Weights &w, int64_t padding, int64_t groups, at::Tensor state) {
  w.check(x, groups);
  const auto input = w.of_input(x, padding, groups);
  std::vector<int64_t> shape = {input.size(0), input.size(2) / 3, input.size(3), input.size(4)};
  if (!state.defined()) state = at::zeros(shape, input.options());
  TORCH_CHECK_VALUE(state.sizes() == at::IntArrayRef(shape), "the state must have the shape ", shape, ", not ",
                    state.sizes());
  const auto &h = w.hidden;
  const bool recorded = c10::GradMode::is_enabled() && (input.requires_grad() || h[0].requires_grad() ||
                                                        h[1].requires_grad() || h[2].requires_grad());
  const auto states = recorded ? RecordedGRU::apply(input, h[0], h[1], h[2], state, groups)
                               : run({input, {{h[0], h[1]}, groups}, {{h[2]}, groups}}, state, {});
  return states.transpose(1, 2);
}

}  // namespace

ORT_API ort_error *ort_conv_gru(int flags, ort_tensor x, const ort_gru *weights, int64_t padding, int64_t groups,
                                ort_tensor state, ort_tensor *out) {
  return produce(flags, out, [&] { return gru(tensor(x), Weights(weights), padding, groups, optional_tensor(state)); });
}
