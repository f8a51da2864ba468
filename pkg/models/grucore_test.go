package models

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// These tests hold ConvGRUCore and its parts against the Python package
// (testdata/cores/README.md).

const cores = "testdata/cores"

// buildRecorded makes the core of a recorded case. Settings are added to those of the
// recording.
func buildRecorded(t *testing.T, index layerIndex, name string, p nn.Path, settings config.Object) (Core, error) {
	t.Helper()
	file, _ := index.root.At("files." + name)
	class, _ := file.Get("class")
	n, _ := file.Get("settings")
	n = n.Clone()
	deps := CoreDeps{Path: p}
	if sessions, ok := n.Get("n_neurons_dict"); ok { // the model's, which it hands on
		deps.Sessions = sessions.Keys()
		n = without(t, n, "n_neurons_dict")
	}
	modules := map[string]string{"DummyCore": "base_core."}
	module, ok := modules[class.Value().(string)]
	if !ok {
		module = "gru_core."
	}
	for _, s := range append(settings, config.Pair{
		Key: config.TargetKey, Value: "openretina.modules.core." + module + class.Value().(string),
	}) {
		if err := n.Set(s.Key.(string), s.Value); err != nil {
			t.Fatal(err)
		}
	}
	return Cores.Build(n, deps)
}

// without is a mapping less a key.
func without(t *testing.T, n *config.Node, key string) *config.Node {
	t.Helper()
	object := slices.DeleteFunc(n.Value().(config.Object), func(p config.Pair) bool { return p.Key == key })
	n, err := config.FromValue(object)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGRUCoresEqualThePythonPackages(t *testing.T) {
	index := readIndex(t, cores)
	for _, name := range []string{
		"conv_gru_core_train", "conv_gru_core_eval", "conv_gru_core_log_speed_train", "conv_gru_core_log_speed_eval",
		"conv_gru_core_padded_bias_layer_train", "conv_gru_core_padded_bias_layer_eval",
		"conv_gru_core_no_norm_relu_train", "conv_gru_core_no_norm_relu_eval", "conditioned_gru_core_eval", "dummy",
	} {
		for _, d := range torchtest.Devices {
			t.Run(name+"/"+d, func(t *testing.T) { testGRUCore(t, torchtest.Device(t, d), index, name) })
		}
	}
}

func testGRUCore(t *testing.T, d torch.Device, index layerIndex, name string) {
	t.Helper()
	r := readRecorded(t, cores, name)
	session := ""
	if key, ok := index.root.At("files." + name + ".data_key"); ok {
		session, _ = key.Value().(string)
	}
	var more config.Object
	if session != "" {
		more = config.Object{{Key: "use_log_speed", Value: true}} // the recording's forward got the session
	}
	var whole Core
	core, store := newLayer(t, d, r, func(p nn.Path) (core Core, err error) {
		whole, err = buildRecorded(t, index, name, p, more)
		if c, ok := whole.(PerSession); ok && session != "" {
			return c.ForSession(session), err
		}
		return whole, err
	})
	mode := name[strings.LastIndexByte(name, '_')+1:]
	penalty := 0.0
	if mode == "train" {
		penalty = index.number(t, "values."+strings.TrimSuffix(name, "_train")+".regularizer")
	} else {
		mode = "eval"
	}
	if condition, ok := r["condition"]; ok {
		tensors := torch.NewScope(d)
		t.Cleanup(tensors.Close)
		for _, l := range core.(*convGRUCore).layers {
			l.film.condition = tensors.FromArray(condition)
		}
	}
	testCore(t, d, r, core, store, mode, penalty)
}

// TestPenaltiesOfGRUCoresEqualThePythonPackages compares the terms one by one.
func TestPenaltiesOfGRUCoresEqualThePythonPackages(t *testing.T) {
	index := readIndex(t, cores)
	for _, name := range []string{"conv_gru_core", "conv_gru_core_log_speed", "conv_gru_core_padded_bias_layer", "conv_gru_core_no_norm_relu"} {
		core, _ := newLayer(t, torch.CPU, readRecorded(t, cores, name+"_train"), func(p nn.Path) (Core, error) {
			return buildRecorded(t, index, name+"_train", p, nil)
		})
		convs, ok := core.(*convGRUCore)
		if !ok {
			convs = core.(*recurrentCore).convs
		}
		err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			for term, f := range map[string]func(*torch.Scope) *torch.Tensor{
				"group_sparsity": convs.groupSparsity, "group_sparsity0": convs.kernelSparsity,
				"spatial_laplace": convs.inputSmoothness, "temporal_smoothness": convs.temporalSmoothness,
			} {
				want := index.number(t, "values."+name+"."+term)
				if got, err := s.Item(f(s)); math.Abs(got-want) > 1e-4*want || err != nil {
					t.Errorf("%s of %s is %v, want %v, %v", term, name, got, want, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// gruCase is a recorded GRU: one step of the cell, or some frames of the module.
type gruCase struct {
	config ConvGRUConfig
	in     int64
	cell   bool
}

func TestGRUsEqualThePythonPackages(t *testing.T) {
	groups, bare := int64(2), false
	three := ConvGRUConfig{RecChannels: 4, InputKern: 3, RecKern: 3}
	grouped, unpadded := three, three
	grouped.Groups, unpadded.PadInput = &groups, &bare
	for name, c := range map[string]gruCase{
		"gru_cell":              {ConvGRUConfig{RecChannels: 4, InputKern: 3, RecKern: 5, GammaRec: 1}, 3, true},
		"gru_module":            {three, 4, false},
		"gru_module_groups":     {grouped, 4, false},
		"gru_module_no_padding": {unpadded, 4, false},
		"gru_module_unbatched":  {three, 4, false},
	} {
		for _, d := range torchtest.Devices {
			t.Run(name+"/"+d, func(t *testing.T) { testGRU(t, torchtest.Device(t, d), name, c) })
		}
	}
}

func testGRU(t *testing.T, d torch.Device, name string, c gruCase) {
	t.Helper()
	r := readRecorded(t, cores, name)
	if c.cell {
		for key, a := range maps.Clone(r) {
			if kind, rest, ok := strings.Cut(key, "/"); ok {
				r[kind+"/gru."+rest] = a // GRU_Module's name for its cell
			}
		}
	}
	gru, store := newLayer(t, d, r, func(p nn.Path) (*convGRU, error) { return newConvGRU(p, c.in, c.config), p.Err() })
	err := torch.DoOn(t.Context(), d, torch.Train, func(s *torch.Scope) error {
		err := r.forward(t, s, store, func(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
			switch {
			case c.cell:
				frame := s.Reshape(x, s.Dim(x, 0), s.Dim(x, 1), 1, s.Dim(x, 2), s.Dim(x, 3))
				y := gru.Forward(s, frame, s.FromArray(r["previous_state"]))
				return s.Reshape(y, s.Dim(y, 0), s.Dim(y, 1), s.Dim(y, 3), s.Dim(y, 4))
			case len(r["input"].Shape) == 4:
				y := gru.Forward(s, s.Reshape(x, append([]int64{1}, toInt64(r["input"].Shape)...)...), nil)
				return s.Reshape(y, toInt64(r["output"].Shape)...)
			}
			return gru.Forward(s, x, nil)
		})
		if err != nil || !c.cell {
			return err
		}
		want := readIndex(t, cores).number(t, "values.gru_cell.bias_l1")
		if got, err := s.Item(gru.Regularizer(s)); math.Abs(got-want) > 1e-5 || err != nil {
			t.Errorf("penalty is %v, want %v, %v", got, want, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if in, out := r["input"].Shape, r["output"].Shape; len(in) == 5 {
		got, err := gru.outSize(size(toInt64(in[2:])))
		if want := size(toInt64(out[2:])); got != want || err != nil {
			t.Errorf("size of the output is %v, want %v, %v", got, want, err)
		}
	}
}

// TestPartsOfCoresEqualThePythonPackages are the layers that a core is made of.
func TestPartsOfCoresEqualThePythonPackages(t *testing.T) {
	for name, make := range map[string]func(p nn.Path) (part, error){
		"bias3d": func(p nn.Path) (part, error) {
			bias := p.Param("bias", nn.Zeros, 1, 4, 1, 1, 1)
			return (&coreLayer{conv: identity{}, bias: bias}).forward, nil
		},
		"scale3d": func(p nn.Path) (part, error) {
			scale := p.Param("scale", nn.Ones, 1, 4, 1, 1, 1)
			return (&coreLayer{conv: identity{}, scale: scale}).forward, nil
		},
		"batchnorm3d_train": func(p nn.Path) (part, error) {
			return (&coreLayer{conv: identity{}, norm: newBatchNorm(p, 4, true, normMomentum)}).forward, nil
		},
		"maxpool": func(nn.Path) (part, error) { return (&coreLayer{conv: identity{}, pool: true}).forward, nil },
		"elu":     func(nn.Path) (part, error) { return (&coreLayer{conv: identity{}, activation: "ELU"}).forward, nil },
		"weighted_channel_sum": func(p nn.Path) (part, error) {
			c := &simpleCore{squash: p.Frozen("channel_weights", nn.Zeros, 4)}
			return c.squashColors, nil
		},
		"weighted_channel_sum_one_channel": func(p nn.Path) (part, error) {
			c := &simpleCore{squash: p.Frozen("channel_weights", nn.Zeros, 2)}
			return c.squashColors, nil
		},
		"film": func(p nn.Path) (part, error) {
			f := newFiLM(p, 4, 3)
			return func(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
				f.condition = s.FromArray(readRecorded(t, cores, "film")["condition"])
				return f.forward(s, x)
			}, nil
		},
	} {
		for _, d := range torchtest.Devices {
			t.Run(name+"/"+d, func(t *testing.T) {
				device := torchtest.Device(t, d)
				r := readRecorded(t, cores, name)
				layer, store := newLayer(t, device, r, make)
				err := torch.DoOn(t.Context(), device, torch.Train, func(s *torch.Scope) error {
					return r.forward(t, s, store, layer)
				})
				if err != nil {
					t.Fatal(err)
				}
				compareBuffers(t, r, store)
			})
		}
	}
}

type part = func(s *torch.Scope, x *torch.Tensor) *torch.Tensor

// identity is no convolution.
type identity struct{ convolution }

func (identity) Forward(_ *torch.Scope, x *torch.Tensor) *torch.Tensor { return x }
