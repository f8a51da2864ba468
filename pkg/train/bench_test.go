package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/torch/torchtest"
)

// benchNeurons are the sessions of the benchmarked model; one of them is trained,
// the optimizer has the parameters of all.
var benchNeurons = []int{80, 300, 1000, 3000}

// lowResStepper is the low-resolution model of Höfling et al. 2024 as its config
// has it, ready for its first step.
func lowResStepper(tb testing.TB, d torch.Device) *Stepper {
	tb.Helper()
	o, err := config.Locate(config.Flags{Config: "hoefling_2024_core_readout_low_res"}, configs.FS, ".")
	if err != nil {
		tb.Fatal(err)
	}
	o.Overrides = []string{"paths.output_dir=.", "paths.cache_dir=."}
	c, err := config.Compose(o)
	if err != nil {
		tb.Fatal(err)
	}
	node, ok := c.Root.At("model")
	if !ok {
		tb.Fatal("the config has no model")
	}
	var sessions []models.Session
	for _, n := range benchNeurons {
		sessions = append(sessions, models.Session{Name: fmt.Sprint(n), Neurons: n})
	}
	m, err := models.New(node, sessions, models.Options{Device: d})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	adam := optim.DefaultAdam(true)
	adam.LR = m.LearningRate
	return &Stepper{
		Model: m, ClipNorm: 1,
		Optimizer: optim.NewAdamW(m.Store().Scope(), m.Store().Parameters(), adam),
	}
}

// noiseBatch is a batch of 2 × 18 × 16 pixels and responses, both random.
func noiseBatch(clips, frames, neurons int) *data.Batch {
	rng := rand.New(rand.NewPCG(1, 2))
	b := &data.Batch{
		Session: fmt.Sprint(neurons), Clips: clips, Channels: 2, Frames: frames, Height: 18, Width: 16, Neurons: neurons,
		Inputs: make([]float32, clips*2*frames*18*16), Targets: make([]float32, clips*frames*neurons),
	}
	for i := range b.Inputs {
		b.Inputs[i] = float32(rng.NormFloat64())
	}
	for i := range b.Targets {
		b.Targets[i] = float32(math.Abs(rng.NormFloat64()))
	}
	return b
}

// BenchmarkStep is a training step of the low-resolution model.
func BenchmarkStep(b *testing.B) {
	defer torch.SetThreads(torch.Threads())
	for _, size := range []struct{ clips, frames, neurons int }{{16, 50, 80}, {128, 50, 80}, {128, 50, 3000}} {
		name, batch := fmt.Sprintf("%dx%d/%d_neurons", size.clips, size.frames, size.neurons), noiseBatch(size.clips, size.frames, size.neurons)
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", name, threads), func(b *testing.B) {
				torch.SetThreads(threads)
				benchmarkSteps(b, torch.CPU, batch)
			})
		}
		for precision, p := range map[string]torch.Precision{
			"float32": {}, "tf32": {TF32: true}, "bfloat16": {TF32: true, BFloat16Convolutions: true},
		} {
			b.Run(name+"/cuda/"+precision, func(b *testing.B) {
				d := torchtest.GPU(b)
				if err := torch.SetPrecision(d, p); err != nil {
					b.Fatal(err)
				}
				benchmarkSteps(b, d, batch)
				_ = torch.SetPrecision(d, torch.Precision{}) // it worked before
			})
		}
	}
}

// benchmarkSteps counts no first step: a GPU chooses its convolutions in it.
func benchmarkSteps(b *testing.B, d torch.Device, batch *data.Batch) {
	b.Helper()
	st := lowResStepper(b, d)
	step := func() {
		if _, err := st.Step(b.Context(), batch, true); err != nil {
			b.Fatal(err)
		}
	}
	step()
	for b.Loop() {
		step()
	}
}
