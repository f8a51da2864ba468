package train

import (
	"context"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// heldOutMetrics are the values of one validation or test batch, the loss divided as
// the model's class does: by the sum of the output's sizes, batch + time + neurons,
// for core-readout models. A loss per neuron and frame is as it is.
type heldOutMetrics struct {
	StepMetrics
	// PerNeuronFrame is the mean loss of a neuron's frame. Values is how many of them
	// it goes over: 0 where the loss is none of frames.
	PerNeuronFrame float64
	Values         int
	// PerNeuron are each neuron's correlations where the evaluation loss is made of
	// them.
	PerNeuron []float32
	// CutFrames are the frames that the model needs before its first response.
	CutFrames int
}

// evaluateBatch runs a model in evaluation mode on a batch.
func evaluateBatch(ctx context.Context, m *models.CoreReadout, b *data.Batch) (v heldOutMetrics, err error) {
	err = torch.DoOn(ctx, m.Device(), torch.Inference, func(s *torch.Scope) error {
		inputs, targets := batchTensors(s, b)
		output := m.Forward(s, inputs, b.Session)
		shape, err := s.Shape(output)
		if err != nil {
			return err
		}
		v.CutFrames = b.Frames - int(shape[1])
		core, readout, err := m.Penalties(s, b.Session)
		if err != nil {
			return err
		}
		loss, evaluation := m.LossOf(b.Session), m.EvaluationLossOf(b.Session)
		value := s.MulScalar(loss.Forward(s, output, targets), 1/float64(divisor(m, shape)))
		readings := []reading{
			{&v.TrainLoss, value},
			{&v.RegularizationCore, core},
			{&v.RegularizationReadout, readout},
			{&v.TotalLoss, s.Add(s.Add(value, core), readout)},
			{&v.Evaluation, evaluation.Forward(s, output, targets)},
		}
		if l, ok := loss.(models.LossOfFrames); ok {
			v.Values = int(shape[0] * shape[1] * shape[2])
			readings = append(readings, reading{&v.PerNeuronFrame, l.PerNeuronFrame(s, output, targets)})
		}
		if err := read(s, readings); err != nil {
			return err
		}
		if c, ok := evaluation.(models.LossOfCorrelations); ok {
			v.PerNeuron, err = s.Float32s(c.Correlations(s, output, targets))
		}
		return err
	})
	if err != nil {
		return v, fmt.Errorf("session %s: %w", b.Session, err)
	}
	return v, nil
}

// divisor is what the loss of held-out responses (batch, time, neurons) is divided by.
func divisor(m *models.CoreReadout, shape []int64) int64 {
	switch {
	case models.IsPerNeuronFrame(m.Loss):
		return 1
	case m.Conventions.PerElement:
		return shape[0] * shape[1] * shape[2]
	}
	return shape[0] + shape[1] + shape[2]
}
