package train

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// gradientPrefix starts the names of the norms that BaseCoreReadout.on_train_epoch_end
// logs (lightning.pytorch.utilities.grad_norm).
const gradientPrefix = "grad_2.0_norm"

// gradientNorms are the 2-norms of the gradients that the last step left, by the
// parameters' names within core and readout, and their total. As in the Python package,
// which logs one for the core and one for the readouts under the same name, the total
// is the mean of the two.
func (st *Stepper) gradientNorms(ctx context.Context) (list []metric, err error) {
	totals := newAverages()
	for _, part := range []string{"core.", "readout."} {
		entries := slices.DeleteFunc(st.Model.Store().Trainable(), func(e *nn.Entry) bool { return !strings.HasPrefix(e.Name, part) })
		norms, err := st.normsOf(ctx, entries)
		if err != nil {
			return nil, err
		}
		squares := 0.0
		for _, n := range norms {
			list = append(list, metric{gradientPrefix + "/" + strings.TrimPrefix(n.name, part), n.value})
			squares += n.value * n.value
		}
		if len(norms) > 0 {
			totals.add(gradientPrefix+"_total", math.Sqrt(squares), 1)
		}
	}
	return append(list, totals.values()...), nil
}

// normsOf are the norms of the gradients of those parameters that have one.
func (st *Stepper) normsOf(ctx context.Context, entries []*nn.Entry) (list []metric, err error) {
	err = torch.DoOn(ctx, st.Model.Device(), torch.Inference, func(s *torch.Scope) error {
		params := make([]*torch.Tensor, len(entries))
		for i, e := range entries {
			params[i] = e.Tensor
		}
		var norms []*torch.Tensor
		for _, i := range s.HaveGrad(params) {
			norms = append(norms, s.Norm(s.Grad(params[i])))
			list = append(list, metric{name: entries[i].Name})
		}
		if s.Err() != nil || norms == nil {
			return s.Err()
		}
		values, err := s.Float32s(s.Stack(0, norms...))
		for i := range values {
			list[i].value = float64(values[i])
		}
		return err
	})
	return list, err
}

// anomaly is the error of a gradient that is not finite, with the parameter that is
// nearest to the output: its gradient came first. nil where all are finite.
func (st *Stepper) anomaly(s *torch.Scope, session string) error {
	entries := st.Model.Store().Trainable()
	for _, e := range slices.Backward(entries) {
		if len(s.HaveGrad([]*torch.Tensor{e.Tensor})) == 0 {
			continue
		}
		sum, err := s.Item(s.Sum(s.Grad(e.Tensor)))
		if err != nil {
			return err
		}
		if err := checkFinite(fmt.Sprintf("the gradient of %s (in sum)", e.Name), sum, session); err != nil {
			return err
		}
	}
	return nil
}
