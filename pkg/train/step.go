package train

import (
	"context"
	"math"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
)

// Stepper makes single training steps.
type Stepper struct {
	Model     *models.CoreReadout
	Optimizer optim.Optimizer
	// ClipNorm bounds the 2-norm of all gradients together, ClipValue the size of each
	// element; 0 leaves them.
	ClipNorm, ClipValue float64
	// Accumulate adds up the gradients of this many batches before a step, each
	// with 1/Accumulate of its weight; 0 stands for 1.
	Accumulate int
	// FindAnomaly names the parameter where a gradient is not finite.
	FindAnomaly bool

	accumulated int
}

// StepMetrics are the values of one training step, as the Python package logs
// them.
type StepMetrics struct {
	TrainLoss, RegularizationCore, RegularizationReadout, TotalLoss, Evaluation float64
	// GradNorm is the norm of all gradients before clipping; NaN where no step was made.
	GradNorm float64
}

// value is one of the quantities.
func (m StepMetrics) value(q models.Quantity) float64 {
	return [...]float64{
		models.DataLoss: m.TrainLoss, models.CorePenalty: m.RegularizationCore, models.ReadoutPenalty: m.RegularizationReadout,
		models.TotalLoss: m.TotalLoss, models.EvaluationLoss: m.Evaluation, models.Correlation: -m.Evaluation,
	}[q]
}

// Step trains on one batch: forward, loss and penalties, backward, clipping and
// the optimizer's step. last makes the step also where fewer than Accumulate
// batches have come since the one before. A loss or gradient that is not finite
// is a *NonFiniteError, and leaves the parameters as they were.
func (st *Stepper) Step(ctx context.Context, b *data.Batch, last bool) (StepMetrics, error) {
	m := StepMetrics{GradNorm: math.NaN()}
	err := torch.DoOn(ctx, st.Model.Device(), torch.Train, func(s *torch.Scope) error {
		s.SetRand(st.Model.Rand())
		total, readings, err := st.forward(s, b, &m)
		if err != nil {
			return err
		}
		norm, err := st.update(s, total, b.Session, last)
		if err != nil {
			return err
		}
		if norm != nil {
			readings = append(readings, reading{&m.GradNorm, norm})
		}
		if err := read(s, readings); err != nil {
			return err
		}
		if err := checkFinite("the training loss", m.TotalLoss, b.Session); err != nil || norm == nil {
			return err
		}
		return checkFinite("the norm of the gradient", m.GradNorm, b.Session)
	})
	return m, err
}

// reading is a number that is still where it was computed.
type reading struct {
	to   *float64
	from *torch.Tensor
}

// read copies the numbers out in one piece: here the host waits for a GPU.
func read(s *torch.Scope, list []reading) error {
	tensors := make([]*torch.Tensor, len(list))
	for i, r := range list {
		tensors[i] = r.from
	}
	values, err := s.Float32s(s.Stack(0, tensors...))
	if err != nil {
		return err
	}
	for i, r := range list {
		*r.to = float64(values[i])
	}
	return nil
}

// forward computes the loss with its penalties, and what the metrics are read from.
func (st *Stepper) forward(s *torch.Scope, b *data.Batch, m *StepMetrics) (*torch.Tensor, []reading, error) {
	inputs, targets := batchTensors(s, b)
	output := st.Model.Forward(s, inputs, b.Session)
	loss := st.Model.LossOf(b.Session).Forward(s, output, targets)
	if st.Model.Conventions.PerElement && !models.IsPerNeuronFrame(st.Model.Loss) {
		loss = s.MulScalar(loss, 1/float64(elements(s, output)))
	}
	core, readout, err := st.Model.Penalties(s, b.Session)
	if err != nil {
		return nil, nil, err
	}
	total := s.Add(s.Add(loss, core), readout)
	return total, []reading{
		{&m.TrainLoss, loss},
		{&m.RegularizationCore, core},
		{&m.RegularizationReadout, readout},
		{&m.TotalLoss, total},
		{&m.Evaluation, evaluationLoss(s, st.Model.EvaluationLossOf(b.Session), output, targets)},
	}, s.Err()
}

// update makes the backward pass and, when it is time, the optimizer's step. norm
// is that of the gradients before clipping; nil where no step was made.
func (st *Stepper) update(s *torch.Scope, total *torch.Tensor, session string, last bool) (norm *torch.Tensor, err error) {
	every := max(st.Accumulate, 1)
	if st.accumulated == 0 {
		if err := st.Model.Store().ZeroGrad(); err != nil {
			return nil, err
		}
	}
	weighted := total
	if every > 1 {
		weighted = s.MulScalar(total, 1/float64(every))
	}
	s.Backward(weighted)
	st.accumulated++
	if st.accumulated < every && !last {
		return nil, s.Err()
	}
	st.accumulated = 0
	if st.FindAnomaly {
		if err := st.anomaly(s, session); err != nil {
			return nil, err
		}
	}
	norm = st.clip(s)
	st.Optimizer.Step(s, total, norm)
	if keep := st.Model.Conventions.AfterStep; keep != nil {
		keep(s)
	}
	return norm, s.Err()
}

// clip bounds the gradients as lightning.pytorch.plugins.precision.Precision does, and
// gives their norm before.
func (st *Stepper) clip(s *torch.Scope) (norm *torch.Tensor) {
	params, most := st.Model.Store().Parameters(), math.Inf(1)
	if st.ClipNorm > 0 {
		most = st.ClipNorm
	}
	norm = s.ClipGradNorm(params, most)
	if most, least := st.ClipValue, -st.ClipValue; most > 0 {
		for _, i := range s.HaveGrad(params) {
			s.ClampInPlace(s.Grad(params[i]), &least, &most)
		}
	}
	return norm
}

// elements is how many numbers a tensor has; 1 where an error is stuck.
func elements(s *torch.Scope, t *torch.Tensor) int64 {
	shape, _ := s.Shape(t) // the error stays in the scope
	n := int64(1)
	for _, size := range shape {
		n *= size
	}
	return n
}

func batchTensors(s *torch.Scope, b *data.Batch) (inputs, targets *torch.Tensor) {
	clips := int64(b.Clips)
	inputs = s.Lend(b.Inputs, clips, int64(b.Channels), int64(b.Frames), int64(b.Height), int64(b.Width))
	return inputs, s.Lend(b.Targets, clips, int64(b.Frames), int64(b.Neurons))
}

// evaluationLoss is that loss without gradient.
func evaluationLoss(s *torch.Scope, l models.Loss, output, targets *torch.Tensor) *torch.Tensor {
	defer s.NoGrad()()
	return l.Forward(s, output, targets)
}
