package models

import (
	"fmt"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// BenchmarkLosses is what a training step computes of 128 clips with 20 predicted
// frames of 50: the loss and its gradient, and the evaluation loss.
func BenchmarkLosses(b *testing.B) {
	for _, neurons := range []int64{80, 3000} {
		for name, f := range map[string]func(s *torch.Scope, output, target *torch.Tensor) []*torch.Tensor{
			"poisson": func(s *torch.Scope, output, target *torch.Tensor) []*torch.Tensor {
				loss := defaultLoss().Forward(s, output, target)
				s.Backward(loss)
				s.ClearGrad(output)
				return []*torch.Tensor{loss}
			},
			"correlation": func(s *torch.Scope, output, target *torch.Tensor) []*torch.Tensor {
				defer s.NoGrad()()
				return []*torch.Tensor{defaultEvaluationLoss().Forward(s, output, target)}
			},
		} {
			b.Run(fmt.Sprintf("%s/%d_neurons", name, neurons), func(b *testing.B) {
				defer torch.SetThreads(torch.Threads())
				torch.SetThreads(1)
				err := torch.Do(b.Context(), torch.Train, func(s *torch.Scope) error {
					g, err := torch.NewGenerator(1, torch.CPU)
					if err != nil {
						return err
					}
					defer g.Close()
					target := s.Uniform(g, 0, 2, 128, 50, neurons)
					output := s.RequireGrad(s.Uniform(g, 0.1, 2, 128, 20, neurons), true)
					for b.Loop() {
						err := s.Inner(func(in *torch.Scope) error {
							f(in, output, target)
							return nil
						})
						if err != nil {
							return err
						}
					}
					return s.Err()
				})
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
