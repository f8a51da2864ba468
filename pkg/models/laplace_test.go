package models

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// regularizerCase is how a recorded penalty was made (regularizers.json).
type regularizerCase struct {
	Class      string       `yaml:"class"`
	FilterSize int64        `yaml:"filter_size"`
	Padding    *int64       `yaml:"padding"`
	Kernel     *config.Node `yaml:"kernel"`
}

// kernel is the size of the kernels that the penalty is made for: a pair, or a number
// for square ones.
func (c regularizerCase) kernel(t *testing.T) [2]int64 {
	t.Helper()
	var side int64
	var sides []int64
	switch {
	case c.Kernel == nil:
		return [2]int64{}
	case c.Kernel.Decode(&side) == nil:
		return [2]int64{side, side}
	case c.Kernel.Decode(&sides) == nil:
		return [2]int64{sides[0], sides[1]}
	}
	t.Fatal("the recorded kernel has no size")
	return [2]int64{}
}

func TestRegularizersEqualThePythonPackages(t *testing.T) {
	cases, arrays := readRegularizers(t)
	for name, n := range cases.Fields() {
		var c regularizerCase
		if err := n.Read(&c); err != nil {
			t.Fatal(err)
		}
		// The padding stands in the name of those cases whose settings lack it.
		for _, padding := range []int64{0, 2} {
			if strings.Contains(name, "_padding_"+string(rune('0'+padding))) {
				c.Padding = &padding
			}
		}
		r := arrays.of(name)
		for _, d := range torchtest.Devices {
			t.Run(name+"/"+d, func(t *testing.T) { testRegularizer(t, torchtest.Device(t, d), name, c, r) })
		}
	}
}

func readRegularizers(t *testing.T) (cases *config.Node, arrays recorded) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(layers, "regularizers.json"))
	if err != nil {
		t.Fatal(err)
	}
	cases, err = config.FromYAML("regularizers.json", text)
	if err != nil {
		t.Fatal(err)
	}
	return cases, readLayer(t, "regularizers")
}

// of are the arrays of one of several cases in a file.
func (r recorded) of(name string) recorded {
	one := recorded{}
	for key, a := range r {
		if rest, ok := strings.CutPrefix(key, name+"/"); ok {
			one[rest] = a
		}
	}
	return one
}

func testRegularizer(t *testing.T, d torch.Device, name string, c regularizerCase, r recorded) {
	t.Helper()
	average := strings.HasSuffix(name, "_avg_True")
	f, store := newLayer(t, d, r, func(p nn.Path) (func(*torch.Scope, *torch.Tensor) *torch.Tensor, error) {
		if c.Class == "Laplace" {
			operator, err := newLaplace(p, c.FilterSize, c.Padding)
			return operator.apply, err
		}
		penalty, err := newTimeSmoothness(p, "key", c.Class, c.Padding, false)
		if err != nil {
			penalty, err = newSpaceSmoothness(p, "key", c.Class, c.kernel(t), c.Padding)
		}
		return func(s *torch.Scope, x *torch.Tensor) *torch.Tensor { return penalty.penalty(s, x, average) }, err
	})
	for _, e := range store.Entries() {
		if r["buffers/"+e.Name] == nil {
			t.Errorf("there is no buffer %s in the recording", e.Name)
		}
	}
	err := torch.DoOn(t.Context(), d, torch.Train, func(s *torch.Scope) error {
		if _, ok := r["grad_output"]; ok {
			return r.forward(t, s, store, f)
		}
		x := s.RequireGrad(s.FromArray(r["input"]), true)
		y := f(s, x)
		value, err := s.Item(y)
		if want := r["output"].At(0); math.Abs(value-want) > 1e-5+1e-4*math.Abs(want) {
			t.Errorf("penalty is %v, want %v", value, want)
		}
		s.Backward(y)
		gradient, gradErr := s.Array(s.Grad(x))
		if err != nil || gradErr != nil {
			return s.Err()
		}
		agreeWithLargest(t, "gradient", gradient, r["grad_input"])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGaussian2DEqualsThePythonPackages(t *testing.T) {
	_, arrays := readRegularizers(t)
	for name, g := range map[string]gaussianShape{
		"9x8_sigma_2":      {sigma: 2, gamma: 1, normalize: true},
		"7_default":        {sigma: 5, gamma: 1, normalize: true},
		"10x6_rotated":     {sigma: 2.5, gamma: 1.7, theta: 0.6, center: [2]float64{1, -2}, normalize: true},
		"5_not_normalized": {sigma: 1, gamma: 1},
	} {
		want := arrays["gaussian2d/"+name]
		agree(t, name, gaussian2D(int64(want.Shape[0]), int64(want.Shape[1]), g), want)
	}
}

func TestTemporalSmoothingEqualsThePythonPackages(t *testing.T) {
	_, arrays := readRegularizers(t)
	r := arrays.of("temporal_smoothing")
	err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
		got, err := s.Float32s(temporalSmoothing(s, s.FromArray(r["sin"]), s.FromArray(r["cos"])))
		agree(t, "temporal smoothing", got, r["value"])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCorrectedTimeLaplace holds it against upstream's formula.
func TestCorrectedTimeLaplace(t *testing.T) {
	rng, err := torch.NewGenerator(0, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer rng.Close()
	store := nn.NewStore(torch.CPU, rng)
	defer store.Close()
	for _, class := range []string{"Laplace1d", "TimeLaplaceL23dnorm"} {
		penalty, err := newTimeSmoothness(store.Root().Sub(class), "smooth_regularizer_temp", class, new(int64), true)
		if err != nil {
			t.Fatal(err)
		}
		err = torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			got, err := s.Item(penalty.penalty(s, s.FromFloat32([]float32{1, 2, 4, 1}, 1, 1, 4, 1, 1), false))
			if want := 26. / 22; math.Abs(got-want) > 1e-6 { // (-1)² + 5² over 1 + 4 + 16 + 1
				t.Errorf("%s is %v, want %v", class, got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestGaussianLaplaceNeedsACentre: in kernels of up to 2 × 2 pixels all are as far from it.
func TestGaussianLaplaceNeedsACentre(t *testing.T) {
	for _, size := range [][2]int64{{1, 1}, {1, 2}, {2, 2}} {
		err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			store := nn.NewStore(torch.CPU, nil)
			defer store.Close()
			l, err := newGaussianLaplaceL2(store.Root(), size[0], size[1], nil)
			if err != nil {
				return err
			}
			l.penalty(s, s.Ones(1, 1, 1, size[0], size[1]), false)
			return s.Err()
		})
		if err == nil || !strings.Contains(err.Error(), "choose LaplaceL2norm") {
			t.Errorf("%v: %v", size, err)
		}
	}
}

func TestUnknownRegularizersAreRefused(t *testing.T) {
	rng, err := torch.NewGenerator(0, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer rng.Close()
	store := nn.NewStore(torch.CPU, rng)
	defer store.Close()
	_, spaceErr := newSpaceSmoothness(store.Root(), "smooth_regularizer_spat", "Laplace1d", [2]int64{}, nil)
	_, timeErr := newTimeSmoothness(store.Root(), "smooth_regularizer_temp", "LaplaceL2norm", nil, false)
	for want, err := range map[string]error{
		`smooth_regularizer_spat "Laplace1d" is no regularizer of space`:    spaceErr,
		`smooth_regularizer_temp "LaplaceL2norm" is no regularizer of time`: timeErr,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	if _, err := newLaplace(store.Root(), 4, nil); err == nil || !strings.Contains(err.Error(), "Unsupported filter size 4") {
		t.Errorf("error is %v", err)
	}
}
