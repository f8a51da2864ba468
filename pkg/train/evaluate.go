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
// for core-readout models.
type heldOutMetrics struct {
	StepMetrics
	// PerNeuron are each neuron's correlations where the evaluation loss is the
	// correlation.
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
		readout, err := m.Readout(b.Session)
		if err != nil {
			return err
		}
		divisor := shape[0] + shape[1] + shape[2]
		if m.Conventions.PerElement {
			divisor = elements(s, output)
		}
		loss := s.MulScalar(m.Loss.Forward(s, output, targets), 1/float64(divisor))
		core, penalty := m.Core.Regularizer(s), readout.Regularizer(s)
		evaluation := m.EvaluationLoss.Forward(s, output, targets)
		err = read(s, []reading{
			{&v.TrainLoss, loss},
			{&v.RegularizationCore, core},
			{&v.RegularizationReadout, penalty},
			{&v.TotalLoss, s.Add(s.Add(loss, core), penalty)},
			{&v.Evaluation, evaluation},
		})
		if err != nil {
			return err
		}
		if c, ok := m.EvaluationLoss.(models.CorrelationLoss); ok {
			v.PerNeuron, err = s.Float32s(c.Correlations(s, output, targets))
		}
		return err
	})
	if err != nil {
		return v, fmt.Errorf("session %s: %w", b.Session, err)
	}
	return v, nil
}
