package models

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

const autoencoderFolder = "testdata/sparse_autoencoder"

func loadAutoencoder(t *testing.T, o Options) *Autoencoder {
	t.Helper()
	c, err := Open(filepath.Join(autoencoderFolder, "checkpoint.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := AutoencoderFrom(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// TestConvertedAutoencoder: files other than checkpoints do not keep the loss, a Python
// object, without which an autoencoder is the same.
func TestConvertedAutoencoder(t *testing.T) {
	c, err := Open(filepath.Join(autoencoderFolder, "checkpoint.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "converted.safetensors")
	if err := checkpoint.WriteSafetensors(path, c); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(path); err != nil {
		t.Fatal(err)
	}
	a, err := AutoencoderFrom(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	r := readForward(t)
	reconstruction, _, err := a.Reconstruct(t.Context(), r["input"])
	if err != nil {
		t.Fatal(err)
	}
	if want := r["output"].Float64s(); !slices.Equal(reconstruction.Float64s(), want) {
		t.Errorf("%v, want %v", reconstruction.Float64s(), want)
	}
}

func readForward(t *testing.T) recorded {
	t.Helper()
	arrays, err := npy.ReadZipFile(filepath.Join(autoencoderFolder, "forward.npz"))
	if err != nil {
		t.Fatal(err)
	}
	r := recorded{}
	for _, a := range arrays {
		r[a.Name] = a.Array
	}
	return r
}

func TestAutoencoderGivesThePythonPackagesOutputs(t *testing.T) {
	r := readForward(t)
	text, err := os.ReadFile(filepath.Join(autoencoderFolder, "losses.json"))
	if err != nil {
		t.Fatal(err)
	}
	var losses map[string]float64
	if err := json.Unmarshal(text, &losses); err != nil {
		t.Fatal(err)
	}
	for _, d := range torchtest.Devices {
		t.Run(d, func(t *testing.T) {
			a := loadAutoencoder(t, Options{Device: torchtest.Device(t, d)})
			reconstruction, hidden, err := a.Reconstruct(t.Context(), r["input"])
			if err != nil {
				t.Fatal(err)
			}
			agree(t, "hidden", hidden.Float32s(), r["hidden"])
			agree(t, "output", reconstruction.Float32s(), r["output"])
			err = torch.DoOn(t.Context(), a.Device(), torch.Inference, func(s *torch.Scope) error {
				x := s.FromArray(r["input"])
				z := a.Encode(s, x)
				total, squares, sparsity := a.Losses(s, x, z, a.Decode(s, z))
				got, err := s.Float32s(s.Stack(0, total, squares, sparsity, a.NormDifference(s)))
				agreeFloats(t, "losses", got, []float64{losses["total"], losses["mse"], losses["sparsity"], losses["decoder_norm_diff"]})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSparsityMSELossEqualsThePythonPackages: 1.1.1 sums the activations; corrected, they
// are those of an example.
func TestSparsityMSELossEqualsThePythonPackages(t *testing.T) {
	r := readLosses(t)
	want, ok := r.Values["sparsity_mse"].(map[string]any)
	if !ok {
		t.Fatal("there is no sparsity_mse in the recording")
	}
	number := func(key string) float64 { return floats(want[key])[0] }
	for _, corrected := range []bool{false, true} {
		a := &Autoencoder{sparsity: number("sparsity_factor"), corrected: corrected}
		sparsity, total := number("sparsity"), number("total")
		if corrected {
			sparsity /= 6
			total = number("mse") + number("sparsity_factor")*sparsity
		}
		err := torch.Do(t.Context(), torch.Inference, func(s *torch.Scope) error {
			arrays := r.arrays.of("sparsity_mse")
			all, squares, sparse := a.Losses(s, s.FromArray(arrays["x"]), s.FromArray(arrays["z"]), s.FromArray(arrays["x_hat"]))
			got, err := s.Float32s(s.Stack(0, all, squares, sparse))
			agreeFloats(t, "losses", got, []float64{total, number("mse"), sparsity})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDecoderKeepsItsNorms: along the neurons' rows as in 1.1.1, along the hidden units'
// columns when corrected; the gradient that is left does not change them.
func TestDecoderKeepsItsNorms(t *testing.T) {
	x := readForward(t)["input"]
	for _, corrected := range []bool{false, true} {
		a := loadAutoencoder(t, Options{Corrected: corrected})
		err := torch.Do(t.Context(), torch.Train, func(s *torch.Scope) error {
			a.ScaleDecoder(s)
			input := s.FromArray(x)
			z := a.Encode(s, input)
			total, _, _ := a.Losses(s, input, z, a.Decode(s, z))
			s.Backward(total)
			a.ProjectGradient(s)
			along := s.Sum(s.Mul(s.Grad(a.decoder), a.decoder), a.normed())
			size := s.Norm(s.Grad(a.decoder))
			values, err := s.Float32s(s.Stack(0, s.Norm(along), size, a.NormDifference(s)))
			if err == nil && (values[0] > 1e-4*values[1] || values[1] == 0 || values[2] > 1e-4) {
				t.Errorf("corrected=%v: gradient along the weights, gradient, difference of norms are %v", corrected, values)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Store().ZeroGrad(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAutoencoderSurvivesItsFile(t *testing.T) {
	a := loadAutoencoder(t, Options{})
	c, err := a.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "autoencoder.ckpt")
	if err := checkpoint.Write(path, c); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(path); err != nil {
		t.Fatal(err)
	}
	again, err := AutoencoderFrom(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.sparsity != 0.001 || again.LearningRate != 0.005 {
		t.Errorf("sparsity_factor is %v, learning_rate %v", again.sparsity, again.LearningRate)
	}
	r := readForward(t)
	got, _, err := again.Reconstruct(t.Context(), r["input"])
	if err != nil {
		t.Fatal(err)
	}
	agree(t, "output", got.Float32s(), r["output"])
	if _, err := FromCheckpoint(c, Options{}); err == nil || !strings.Contains(err.Error(), "sparse autoencoder") {
		t.Errorf("as a model of a stimulus: error is %v", err)
	}
}

func TestBadAutoencodersAreRefused(t *testing.T) {
	const good = "_target_: openretina.models.sparse_autoencoder.Autoencoder\ninput_dim: 3\nhidden_dim: 5\n" +
		"loss: {_target_: openretina.models.sparse_autoencoder.SparsityMSELoss, sparsity_factor: 0.1}\n"
	for line, want := range map[string]string{
		"hidden_dim: 0":  "hidden_dim must be at least 1",
		"input_dim: -1":  "input_dim must not be negative",
		"hidden_dims: 4": `did you mean "hidden_dim"`,
		"loss: {_target_: openretina.models.sparse_autoencoder.SparsityMSELoss}": "sparsity_factor",
		"loss: {_target_: openretina.modules.losses.MSE3d, sparsity_factor: 1}":  "SparsityMSELoss",
	} {
		n, err := config.FromYAML("autoencoder.yaml", []byte(replaceKey(good, line)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAutoencoder(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %s", line, err, want)
		}
	}
	a := loadAutoencoder(t, Options{})
	wrong := readForward(t)["hidden"]
	if _, _, err := a.Reconstruct(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "takes 12 neurons") {
		t.Errorf("error is %v", err)
	}
}

// replaceKey puts a line in the place of the one with its key.
func replaceKey(text, line string) string {
	key, _, _ := strings.Cut(line, ":")
	var lines []string
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(l, key+":") {
			lines = append(lines, l)
		}
	}
	return strings.Join(append(lines, line), "")
}
