package optim

import (
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// lowResParameters are the parameters of the low-resolution model of Höfling et
// al. 2024 with many sessions. Those of the core and of the last session have
// gradients, as in a training step.
func lowResParameters(s *torch.Scope, sessions, neurons int64) []*torch.Tensor {
	var list []*torch.Tensor
	create := func(trained bool, shapes ...[]int64) {
		for _, shape := range shapes {
			p := s.RequireGrad(s.MulScalar(s.Ones(shape...), 0.1), true)
			if trained {
				s.BackwardWith(p, s.Ones(shape...))
			}
			list = append(list, p)
		}
	}
	for _, l := range []struct{ in, waves, space int64 }{{2, 7, 11}, {16, 3, 5}} {
		create(true, []int64{16, l.in, l.waves}, []int64{16, l.in, l.waves}, []int64{16, l.in, 1, l.space, l.space},
			[]int64{16}, []int64{16}, []int64{1, 16, 1, 1, 1})
	}
	for i := range sessions {
		create(i == sessions-1, []int64{neurons, 2}, []int64{neurons}, []int64{1, 16, 1, neurons}, []int64{neurons}, []int64{neurons})
	}
	return list
}

// BenchmarkUpdate is clipping and the optimizer's step.
func BenchmarkUpdate(b *testing.B) {
	sgd := DefaultSGD()
	sgd.Momentum = 0.9
	makeAdamW := func(s *torch.Scope, p []*torch.Tensor) Optimizer { return NewAdamW(s, p, DefaultAdam(true)) }
	makeSGD := func(s *torch.Scope, p []*torch.Tensor) Optimizer { return NewSGD(s, p, sgd) }
	defer torch.SetThreads(torch.Threads())
	for _, c := range []struct {
		name              string
		sessions, neurons int64
		threads           int
		make              func(*torch.Scope, []*torch.Tensor) Optimizer
	}{
		{"adamw/60x80_neurons/threads=1", 60, 80, 1, makeAdamW},
		{"adamw/60x80_neurons/threads=2", 60, 80, 2, makeAdamW},
		{"adamw/4x3000_neurons/threads=1", 4, 3000, 1, makeAdamW},
		{"sgd/60x80_neurons/threads=1", 60, 80, 1, makeSGD},
	} {
		b.Run(c.name, func(b *testing.B) {
			torch.SetThreads(c.threads)
			root := torch.NewScope(torch.CPU)
			defer root.Close()
			params := lowResParameters(root, c.sessions, c.neurons)
			optimizer := c.make(root, params)
			err := torch.Do(b.Context(), torch.Train, func(s *torch.Scope) error {
				for b.Loop() {
					s.Free(s.ClipGradNorm(params, 1))
					optimizer.Step(s)
				}
				return s.Err()
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
