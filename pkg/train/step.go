package train

import (
	"context"
	"fmt"
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
	// ClipNorm bounds the 2-norm of all gradients together; 0 leaves them.
	ClipNorm float64
	// Accumulate adds up the gradients of this many batches before a step, each
	// with 1/Accumulate of its weight; 0 stands for 1.
	Accumulate int

	accumulated int
}

// StepMetrics are the values of one training step, as the Python package logs
// them. The loss is a sum over batch, time and neurons.
type StepMetrics struct {
	TrainLoss, RegularizationCore, RegularizationReadout, TotalLoss, Evaluation float64
	// GradNorm is the gradients' norm before clipping; NaN where no step was made.
	GradNorm float64
}

// NonFiniteError stops a training whose loss is NaN or infinite.
type NonFiniteError struct {
	What    string
	Value   float64
	Session string
}

func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("%s is %v in session %s: check the data for outliers, or lower the learning rate", e.What, e.Value, e.Session)
}

// Step trains on one batch: forward, loss and penalties, backward, clipping and
// the optimizer's step. last makes the step also where fewer than Accumulate
// batches have come since the one before.
func (st *Stepper) Step(ctx context.Context, b *data.Batch, last bool) (StepMetrics, error) {
	m := StepMetrics{GradNorm: math.NaN()}
	err := torch.DoOn(ctx, st.Model.Device(), torch.Train, func(s *torch.Scope) error {
		s.SetRand(st.Model.Rand())
		total, err := st.forward(s, b, &m)
		if err != nil {
			return err
		}
		return st.update(s, total, last, &m)
	})
	return m, err
}

// forward computes the loss with its penalties and fills the metrics.
func (st *Stepper) forward(s *torch.Scope, b *data.Batch, m *StepMetrics) (*torch.Tensor, error) {
	inputs, targets := batchTensors(s, b)
	output := st.Model.Forward(s, inputs, b.Session)
	loss := st.Model.Loss.Forward(s, output, targets)
	core, readout, err := st.penalties(s, b.Session)
	if err != nil {
		return nil, err
	}
	total := s.Add(s.Add(loss, core), readout)
	evaluation := evaluationLoss(s, st.Model, output, targets)
	for _, v := range []struct {
		to   *float64
		from *torch.Tensor
	}{
		{&m.TrainLoss, loss},
		{&m.RegularizationCore, core},
		{&m.RegularizationReadout, readout},
		{&m.TotalLoss, total},
		{&m.Evaluation, evaluation},
	} {
		if *v.to, err = s.Item(v.from); err != nil {
			return nil, err
		}
	}
	if math.IsNaN(m.TotalLoss) || math.IsInf(m.TotalLoss, 0) {
		return nil, &NonFiniteError{What: "the training loss", Value: m.TotalLoss, Session: b.Session}
	}
	return total, nil
}

func (st *Stepper) penalties(s *torch.Scope, session string) (core, readout *torch.Tensor, err error) {
	r, err := st.Model.Readout(session)
	if err != nil {
		return nil, nil, err
	}
	return st.Model.Core.Regularizer(s), r.Regularizer(s), nil
}

// update makes the backward pass and, when it is time, the optimizer's step.
func (st *Stepper) update(s *torch.Scope, total *torch.Tensor, last bool, m *StepMetrics) error {
	every := max(st.Accumulate, 1)
	if st.accumulated == 0 {
		if err := st.Model.Store().ZeroGrad(); err != nil {
			return err
		}
	}
	if every > 1 {
		total = s.MulScalar(total, 1/float64(every))
	}
	s.Backward(total)
	st.accumulated++
	if st.accumulated < every && !last {
		return s.Err()
	}
	st.accumulated = 0
	if st.ClipNorm > 0 {
		norm, err := s.ClipGradNorm(st.Model.Store().Parameters(), st.ClipNorm)
		if err != nil {
			return err
		}
		m.GradNorm = norm
	}
	st.Optimizer.Step(s)
	return s.Err()
}

func batchTensors(s *torch.Scope, b *data.Batch) (inputs, targets *torch.Tensor) {
	clips := int64(b.Clips)
	inputs = s.FromFloat32(b.Inputs, clips, int64(b.Channels), int64(b.Frames), int64(b.Height), int64(b.Width))
	return inputs, s.FromFloat32(b.Targets, clips, int64(b.Frames), int64(b.Neurons))
}

// evaluationLoss is the model's evaluation loss, without gradient.
func evaluationLoss(s *torch.Scope, m *models.CoreReadout, output, targets *torch.Tensor) *torch.Tensor {
	defer s.NoGrad()()
	return m.EvaluationLoss.Forward(s, output, targets)
}
