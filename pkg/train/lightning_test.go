package train

import (
	"slices"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// The Python package's files have the sessions in the order of a directory, and so the
// numbers of their parameters in the optimizer.
func TestOptimizersNumberParametersAsTheirFile(t *testing.T) {
	rng, err := torch.NewGenerator(0, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer rng.Close()
	store := nn.NewStore(torch.CPU, rng)
	defer store.Close()
	root := store.Root()
	root.Sub("core").Param("weight", nn.Zeros, 1)
	root.Sub("core").Buffer("mean", nn.Zeros, 1)
	for _, session := range []string{"a", "b"} {
		root.Sub("readout").Sub(session).Param("features", nn.Zeros, 1)
		root.Sub("readout").Sub(session).Param("bias", nn.Zeros, 1)
	}
	if err := store.Err(); err != nil {
		t.Fatal(err)
	}
	file := []string{"core.weight", "core.mean", "readout.b.features", "readout.b.bias", "readout.a.features", "readout.a.bias"}
	if got := numbersIn(file, store); !slices.Equal(got, []int{0, 3, 4, 1, 2}) {
		t.Errorf("numbers are %v", got)
	}
	older := []string{"core.weight", "readout.a.features", "readout.a.bias_param"}
	if got := numbersIn(older, store); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("numbers by older names are %v", got)
	}
}
