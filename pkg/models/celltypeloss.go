package models

import (
	"errors"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// cellTypeLoss weighs each neuron by how rare its type is, so that types with many
// cells do not outweigh the others. The Python package never hands its losses the
// types and so fails on them; here they are the data's group_assignment.
type cellTypeLoss interface {
	Loss
	// weighing is the loss for neurons with these weights.
	weighing(weights []float32) Loss
}

// cellTypePoissonLoss is CelltypePoissonLoss3d.
type cellTypePoissonLoss struct {
	Bias        float64 `yaml:"bias"`
	LossSummary `yaml:",inline"`

	weights []float32
}

func (l cellTypePoissonLoss) Name() string { return "CelltypePoissonLoss3d" }

func (l cellTypePoissonLoss) weighing(weights []float32) Loss {
	l.weights = weights
	return l
}

func (l cellTypePoissonLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return l.of(s, l.values(s, output, target))
}

func (l cellTypePoissonLoss) PerNeuronFrame(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return s.Mean(l.values(s, output, target))
}

func (l cellTypePoissonLoss) values(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return weighed(s, poissonValues(s, output, target, l.Bias), l.weights)
}

// cellTypeCorrelationLoss is CelltypeCorrelationLoss3d.
type cellTypeCorrelationLoss struct {
	CorrelationLoss `yaml:",inline"`

	weights []float32
}

func (l cellTypeCorrelationLoss) Name() string { return "CelltypeCorrelationLoss3d" }

func (l cellTypeCorrelationLoss) weighing(weights []float32) Loss {
	l.weights = weights
	return l
}

func (l cellTypeCorrelationLoss) Forward(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return l.summary(s, l.weighedCorrelations(s, output, target))
}

func (l cellTypeCorrelationLoss) Correlations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return turned(s, l.weighedCorrelations(s, output, target))
}

func (l cellTypeCorrelationLoss) weighedCorrelations(s *torch.Scope, output, target *torch.Tensor) *torch.Tensor {
	return weighed(s, l.correlations(s, output, target), l.weights)
}

// weighed multiplies values (…, neurons) by the neurons' weights.
func weighed(s *torch.Scope, values *torch.Tensor, weights []float32) *torch.Tensor {
	if len(weights) == 0 {
		s.Fail(errNoCellTypes)
		return nil
	}
	return s.Mul(values, s.FromFloat32(weights, int64(len(weights))))
}

var errNoCellTypes = errors.New("the loss weighs neurons by their cell types, which the data do not tell (group_assignment): " +
	"choose PoissonLoss3d or CorrelationLoss3d")

// cellTypeWeights are, for each session, its neurons' weights: the mean number of
// cells of a type, over all sessions, by the number of the neuron's own type. Types
// are numbers; those without a cell do not count.
func cellTypeWeights(sessions []Session) (map[string][]float32, error) {
	counts, total := map[int64]float64{}, 0.0
	for _, session := range sessions {
		if len(session.CellTypes) != session.Neurons {
			return nil, fmt.Errorf("session %s: %d cell types for %d neurons: %w", session.Name, len(session.CellTypes), session.Neurons, errNoCellTypes)
		}
		for _, t := range session.CellTypes {
			counts[t]++
			total++
		}
	}
	weights := map[string][]float32{}
	for _, session := range sessions {
		for _, t := range session.CellTypes {
			weights[session.Name] = append(weights[session.Name], float32(total/float64(len(counts))/counts[t]))
		}
	}
	return weights, nil
}

// useCellTypes gives losses by cell type the neurons' weights; other losses need none.
func (m *CoreReadout) useCellTypes(sessions []Session) (err error) {
	_, training := m.Loss.(cellTypeLoss)
	_, evaluation := m.EvaluationLoss.(cellTypeLoss)
	if training || evaluation {
		m.cellWeights, err = cellTypeWeights(sessions)
	}
	return err
}

// LossOf is the training loss for the neurons of a session.
func (m *CoreReadout) LossOf(session string) Loss { return m.lossOf(m.Loss, session) }

// EvaluationLossOf is the evaluation loss for the neurons of a session.
func (m *CoreReadout) EvaluationLossOf(session string) Loss {
	return m.lossOf(m.EvaluationLoss, session)
}

func (m *CoreReadout) lossOf(l Loss, session string) Loss {
	if l, ok := l.(cellTypeLoss); ok {
		return l.weighing(m.cellWeights[session])
	}
	return l
}

// readCellTypes takes the neurons' types from the file that the model was loaded from.
// Without them a loss by cell type fails where it is used.
func (m *CoreReadout) readCellTypes() {
	if m.DataInfo == nil {
		return
	}
	var sessions []Session
	for _, name := range m.sessions {
		sessions = append(sessions, Session{Name: name, Neurons: m.readouts[name].NumNeurons(), CellTypes: cellTypesOf(m.DataInfo, name)})
	}
	if err := m.useCellTypes(sessions); err != nil {
		m.cellWeights = nil
	}
}

// cellTypesOf reads the types of a session's neurons from a checkpoint's data_info;
// nil where it does not have them.
func cellTypesOf(info *pickle.Dict, session string) []int64 {
	for _, key := range []string{"sessions_kwargs", session} {
		value, _ := info.Get(key)
		inner, ok := value.(*pickle.Dict)
		if !ok {
			return nil
		}
		info = inner
	}
	value, _ := info.Get("group_assignment")
	list, ok := checkpoint.Array(value)
	if !ok {
		return nil
	}
	types := make([]int64, list.Len())
	for i := range types {
		types[i] = int64(list.At(i))
	}
	return types
}
