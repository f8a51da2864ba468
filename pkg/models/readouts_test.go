package models

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// These tests hold single readouts against values and gradients that the Python
// package gave (testdata/readouts/README.md).

const readouts = "testdata/readouts"

// readoutCase is a case of index.json with its arrays.
type readoutCase struct {
	name   string
	node   *config.Node
	arrays recorded
}

func readoutCases(t *testing.T, class string) []readoutCase {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(readouts, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := config.FromYAML("index.json", text)
	if err != nil {
		t.Fatal(err)
	}
	var cases []readoutCase
	for name, n := range root.Fields() {
		if c, _ := n.Get("class"); c.Value() != class {
			continue
		}
		arrays, err := npy.ReadZipFile(filepath.Join(readouts, name+".npz"))
		if err != nil {
			t.Fatal(err)
		}
		c := readoutCase{name: name, node: n, arrays: recorded{}}
		for _, a := range arrays {
			c.arrays[a.Name] = a.Array
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		t.Fatalf("no case of %s", class)
	}
	return cases
}

// read decodes the settings, with more of them, over defaults.
func (c readoutCase) read(t *testing.T, arguments any, more config.Object) {
	t.Helper()
	settings, _ := c.node.Get("settings")
	n := settings.Clone()
	for _, p := range more {
		if err := n.Set(p.Key.(string), p.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Read(arguments); err != nil {
		t.Fatal(err)
	}
}

// penalty is what the recording has for a reduction.
func (c readoutCase) penalty(t *testing.T, path string) (v float64) {
	t.Helper()
	n, ok := c.node.At(path)
	if !ok || n.Decode(&v) != nil {
		t.Fatalf("%s: no number at %s", c.name, path)
	}
	return v
}

// session has as many neurons as the recorded responses.
func (c readoutCase) session() Session {
	shape := c.arrays["output"].Shape
	return Session{Name: "session", Neurons: shape[len(shape)-1]}
}

// featureShape is in_shape of the recorded input (batch, channels, time, height, width).
func (c readoutCase) featureShape() config.Pair {
	return config.Pair{Key: "in_shape", Value: toInt64(c.arrays["input"].Shape[1:])}
}

// onDevices runs a test for each case and device.
func onDevices(t *testing.T, cases []readoutCase, test func(t *testing.T, d torch.Device, c readoutCase)) {
	t.Helper()
	for _, c := range cases {
		for _, d := range torchtest.Devices {
			t.Run(c.name+"/"+d, func(t *testing.T) { test(t, torchtest.Device(t, d), c) })
		}
	}
}

// testReadout compares the penalty, then responses, gradients, and what a forward pass
// changes, then the fixed readout of all and of some neurons.
func testReadout(t *testing.T, d torch.Device, r recorded, readout Readout, store *nn.Store, penalty float64) {
	t.Helper()
	testPenalty(t, d, readout, penalty)
	err := torch.DoOn(t.Context(), d, torch.Probe, func(s *torch.Scope) error {
		if err := r.forward(t, s, store, readout.Forward); err != nil {
			return err
		}
		if err := r.after(t, s, store); err != nil {
			return err
		}
		return testFixed(t, s, r, readout)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testPenalty(t *testing.T, d torch.Device, readout Readout, penalty float64) {
	t.Helper()
	err := torch.DoOn(t.Context(), d, torch.Train, func(s *torch.Scope) error {
		value, err := s.Item(readout.Regularizer(s))
		if !(math.Abs(value-penalty) <= 1e-4*penalty) {
			t.Errorf("regularizer is %v, want %v", value, penalty)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// after compares the parameters that a forward pass changes.
func (r recorded) after(t *testing.T, s *torch.Scope, store *nn.Store) error {
	t.Helper()
	for name, want := range r {
		if name, ok := strings.CutPrefix(name, "params_after/"); ok {
			e, _ := store.Lookup(name)
			got, err := s.Float32s(e.Tensor)
			if err != nil {
				return err
			}
			agree(t, name+" afterwards", got, want)
		}
	}
	return nil
}

// testFixed compares the fixed readouts' responses with the recorded ones.
func testFixed(t *testing.T, s *torch.Scope, r recorded, readout Readout) error {
	t.Helper()
	x, want := s.FromArray(r["input"]), s.FromArray(r["output"])
	some := []int64{4, 0, 5}
	fixed := readout.Fixed(s, some)
	wantSome := s.IndexSelect(want, 2, some)
	traces := s.Permute(wantSome, 0, 2, 1) // (clips, some, time)
	frames := s.Dim(x, 2)
	for name, c := range map[string]struct{ got, want *torch.Tensor }{
		"all neurons":  {readout.Fixed(s, nil).Forward(s, x), want},
		"some neurons": {fixed.Forward(s, x), wantSome},
		"one for each clip": {
			fixed.Pairs(s, x, []int64{0, 1}, []int64{2, 1}),
			s.IndexSelect(s.Reshape(traces, -1, frames), 0, []int64{2, 4}),
		},
		"several for a clip": {
			fixed.Pairs(s, x, []int64{1, 0, 1}, []int64{0, 1, 2}),
			s.IndexSelect(s.Reshape(traces, -1, frames), 0, []int64{3, 1, 5}),
		},
	} {
		got, err := s.Float32s(c.got)
		if err != nil {
			return err
		}
		recorded, err := s.Array(c.want)
		if err != nil {
			return err
		}
		agree(t, name, got, recorded)
	}
	return nil
}

func TestFactorizedReadoutsEqualThePythonPackages(t *testing.T) {
	onDevices(t, readoutCases(t, "FactorizedReadout"), testFactorized)
}

func testFactorized(t *testing.T, d torch.Device, c readoutCase) {
	t.Helper()
	for _, reduction := range []string{"sum", "mean"} {
		for numbers, corrected := range map[string]bool{"regularizer": false, "corrected": true} {
			var arguments FactorizedConfig
			more := config.Object{c.featureShape(), {Key: "readout_reg_avg", Value: reduction == "mean"}}
			if settings, _ := c.node.Get("settings"); !slices.Contains(settings.Keys(), "init_scales") {
				more = append(more, config.Pair{Key: "init_scales", Value: []any{[]any{0.0, 1.0}, []any{0.0, 1.0}}})
			}
			c.read(t, &arguments, more)
			arguments.Complete(ReadoutDeps{Corrected: corrected})
			readout, store := newLayer(t, d, c.arrays, func(p nn.Path) (Readout, error) { return arguments.build(p, c.session()) })
			testReadout(t, d, c.arrays, readout, store, c.penalty(t, numbers+"."+reduction))
		}
	}
}

func TestLNPReadoutsEqualThePythonPackages(t *testing.T) {
	onDevices(t, readoutCases(t, "LNPReadout"), testLNP)
}

func testLNP(t *testing.T, d torch.Device, c readoutCase) {
	t.Helper()
	for _, average := range []bool{false, true} { // which makes no difference
		arguments := defaultLNP()
		c.read(t, &arguments, config.Object{c.featureShape(), {Key: "readout_reg_avg", Value: average}})
		readout, store := newLayer(t, d, c.arrays, func(p nn.Path) (Readout, error) { return arguments.build(p, c.session()) })
		testReadout(t, d, c.arrays, readout, store, c.penalty(t, "regularizer.mean"))
	}
}

// TestPointGaussianReadoutsEqualThePythonPackages gives the recorded draws to the
// readout; the recorded responses have no nonlinearity.
func TestPointGaussianReadoutsEqualThePythonPackages(t *testing.T) {
	onDevices(t, readoutCases(t, "PointGaussianReadout"), testPointGaussian)
}

func testPointGaussian(t *testing.T, d torch.Device, c readoutCase) {
	t.Helper()
	shape := c.arrays["input"].Shape
	frames, channels, height, width := int64(shape[0]), int64(shape[1]), int64(shape[2]), int64(shape[3])
	if c.arrays["noise"] == nil {
		delete(c.arrays, "grad/sigma") // zeros: nothing depends on it
	}
	for _, reduction := range []string{"sum", "mean"} {
		arguments := defaultPointGaussian()
		c.read(t, &arguments, config.Object{
			{Key: "in_shape", Value: []int64{channels, frames, height, width}},
			{Key: "bias", Value: true},
			{Key: "init_mu_range", Value: 0.1},
			{Key: "init_sigma_range", Value: 0.1},
			{Key: "reg_avg", Value: reduction == "mean"},
		})
		arguments.Nonlinearity = function{unchanged}
		readout, store := newLayer(t, d, c.arrays, func(p nn.Path) (*pointGaussian, error) {
			r, err := arguments.build(p, c.session())
			return r.(*pointGaussian), err
		})
		movie := func(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
			return s.Reshape(s.Permute(x, 1, 0, 2, 3), 1, channels, frames, height, width)
		}
		err := torch.DoOn(t.Context(), d, torch.Probe, func(s *torch.Scope) error {
			err := c.arrays.forward(t, s, store, func(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
				var noise *torch.Tensor
				if c.arrays["noise"] != nil {
					noise = s.FromArray(c.arrays["noise"])
				}
				return s.Reshape(readout.respond(s, movie(s, x), noise), frames, -1)
			})
			if err != nil || c.arrays["noise"] != nil {
				return err
			}
			twoClips := recorded{}
			for _, name := range []string{"input", "output"} {
				x := s.FromArray(c.arrays[name])
				if name == "input" {
					x = movie(s, x)
				} else {
					x = s.Reshape(x, 1, frames, -1)
				}
				if twoClips[name], err = s.Array(s.Cat(0, x, x)); err != nil {
					return err
				}
			}
			return testFixed(t, s, twoClips, readout)
		})
		if err != nil {
			t.Fatal(err)
		}
		testPenalty(t, d, readout, c.penalty(t, "regularizer."+reduction))
	}
}

func TestClonedReadoutsEqualThePythonPackages(t *testing.T) {
	onDevices(t, readoutCases(t, "ClonedReadout"), testCloned)
}

func testCloned(t *testing.T, d torch.Device, c readoutCase) {
	t.Helper()
	for name, a := range c.arrays { // the source, under its own name too
		if before, of, ok := strings.Cut(name, "/_source."); ok {
			c.arrays[before+"/original."+of] = a
		}
	}
	arguments := defaultGaussianMasks()
	arguments.InShape, arguments.Bias, arguments.GaussianMeanScale, arguments.GaussianVarScale = toInt64(c.arrays["input"].Shape[1:]), true, 1, 1
	readout, store := newLayer(t, d, c.arrays, func(p nn.Path) (Readout, error) {
		build := cloning(arguments.build)
		if _, err := build(p.Sub("original"), c.session()); err != nil {
			return nil, err
		}
		return build(p, c.session())
	})
	testReadout(t, d, c.arrays, readout, store, 0)
}
