package models

import (
	"math"
	"slices"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

func TestDropoutDrawsWhatPyTorchDraws(t *testing.T) {
	// torch.manual_seed(5); torch.nn.Dropout3d(0.3)(torch.ones(2, 4, 2, 1, 1))
	kept := float32(1) / float32(0.7)
	want := []float32{kept, kept, kept, kept, kept, 0, kept, 0}
	g, err := torch.NewGenerator(5, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	err = torch.Do(t.Context(), torch.Train, func(s *torch.Scope) error {
		s.SetRand(g)
		got, err := s.Float32s(dropChannels(s, s.Ones(2, 4, 2, 1, 1), 0.3))
		if err != nil {
			return err
		}
		for i, v := range got {
			if v != want[i/2] {
				t.Errorf("value %d is %v, want %v", i, v, want[i/2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDropoutIsForTraining: two passes differ in training, and only there; the
// generator's state decides how.
func TestDropoutIsForTraining(t *testing.T) {
	m, err := tiny(t, func(n *config.Node) {
		if err := n.Set("core.dropout_rate", 0.5); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	pass := func(mode torch.Mode) (out []float32) {
		err := torch.Do(t.Context(), mode, func(s *torch.Scope) error {
			s.SetRand(m.Rand())
			var err error
			out, err = s.Float32s(m.Core.Forward(s, s.Ones(2, 2, 12, 6, 5)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	state, err := m.Rand().State()
	if err != nil {
		t.Fatal(err)
	}
	first := pass(torch.Train)
	if slices.Equal(first, pass(torch.Train)) {
		t.Error("two passes in training draw the same")
	}
	if err := m.Rand().SetState(state); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first, pass(torch.Train)) {
		t.Error("the same state draws something else")
	}
	want := pass(torch.Inference)
	for i, v := range pass(torch.Probe) { // with gradients, other operations compute it
		if math.Abs(float64(v-want[i])) > 1e-6 {
			t.Fatalf("dropout is active outside training: value %d is %v, want %v", i, v, want[i])
		}
	}
	err = torch.Do(t.Context(), torch.Train, func(s *torch.Scope) error {
		m.Core.Forward(s, s.Ones(2, 2, 12, 6, 5))
		return nil
	})
	if err == nil {
		t.Error("training without a generator is accepted")
	}
}
