package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/tracking"
)

// AutoencoderPlan is the training of a sparse autoencoder on responses in files, whose
// config has been checked.
type AutoencoderPlan struct {
	Plan // the parts of a training's config that mean the same here

	arguments models.AutoencoderConfig
	settings  autoencoderSettings
}

// autoencoderSettings are what the root of the config has for this training alone.
type autoencoderSettings struct {
	activations []string // .npy files (…, neurons)
	batchSize   int      // examples of a step: the responses of all neurons in a frame
	epochs      int
	start       string // trainer.ckpt_path
}

// NewAutoencoderPlan checks a config whose model is a sparse autoencoder.
func NewAutoencoderPlan(cfg *config.Config) (*AutoencoderPlan, error) {
	p := &AutoencoderPlan{Plan: Plan{cfg: cfg}, settings: autoencoderSettings{batchSize: 128, epochs: 10}}
	var problems config.Problems
	problems.Add(p.readRoot())
	problems.Add(p.readLoggers())
	model, err := cfg.Root.Select("model")
	problems.Add(err)
	if err == nil {
		p.arguments, err = models.ReadAutoencoder(model)
		problems.Add(err)
	}
	var start *string
	for path, to := range map[string]any{
		"activations": &p.settings.activations, "batch_size": &p.settings.batchSize,
		"trainer.max_epochs": &p.settings.epochs, "trainer.ckpt_path": &start,
	} {
		problems.Add(p.decode(path, to))
	}
	p.settings.start = orElse(start, "")
	problems.AddAt(cfg.Root, p.settings.check())
	problems.AddAt(cfg.Root, p.root.checkAutoencoder())
	if n, _ := p.section("training_callbacks"); n != nil && n.Len() > 0 {
		p.Notes = append(p.Notes, "training_callbacks have no effect on a sparse autoencoder: last.ckpt is written each epoch")
	}
	if err := problems.InOrder(cfg.Root); err != nil {
		return nil, err
	}
	return p, nil
}

func (s *autoencoderSettings) check() error {
	var refused config.Refusals
	refused.Unless(len(s.activations) > 0, "activations", "activations are missing: the .npy files with responses (…, neurons) to train on")
	refused.Unless(s.batchSize >= 1, "batch_size", "batch_size must be at least 1, got %d", s.batchSize)
	refused.Unless(s.epochs >= 0, "trainer.max_epochs", "trainer.max_epochs must not be negative, got %d", s.epochs)
	return refused.Err()
}

// checkAutoencoder refuses what only models of recordings can be asked for.
func (k *RootKeys) checkAutoencoder() error {
	var refused config.Refusals
	for _, c := range []struct {
		key string
		set bool
	}{
		{ensembleKey, len(k.EnsembleSeeds) > 0},
		{"objective_target", k.Objective != nil},
		{"only_train_readout", k.OnlyReadout},
		{"freeze", len(k.Freeze) > 0},
		{"paths.load_model_path", orElse(k.Paths.LoadModel, "") != ""},
	} {
		refused.Unless(!c.set, c.key, "%s is not for a sparse autoencoder: leave it out", c.key)
	}
	return refused.Err()
}

// IsAutoencoder says whether the model of a config is a sparse autoencoder.
func IsAutoencoder(cfg *config.Config) bool {
	model, err := cfg.Root.Select("model")
	return err == nil && model != nil && model.Kind() == config.Map && models.IsAutoencoder(model)
}

// autoencoderFitter is such a training under way.
type autoencoderFitter struct {
	*AutoencoderPlan

	model     *models.Autoencoder
	optimizer optim.Optimizer
	examples  []float32 // (examples, neurons)
	progress  Progress
	log       *slog.Logger
	resumed   bool
	epoch     int // those done
	steps     int
	logStates map[string]json.RawMessage // of the loggers, where the training is continued
}

// Run trains. It saves last.ckpt at the end of each epoch, from which trainer.ckpt_path
// goes on to the same bits: cancelling ends between two steps, and what was done of an
// epoch is done again.
func (p *AutoencoderPlan) Run(soft, hard context.Context, env Environment) (*Result, error) {
	for _, note := range p.Notes {
		env.Log.Info(note)
	}
	release, err := p.claimDirectory(env.Log)
	if err != nil {
		return nil, err
	}
	defer release()
	record, err := p.startRecord(&env)
	if err != nil {
		return nil, err
	}
	record.files = append(record.files, p.settings.activations...)
	f := &autoencoderFitter{AutoencoderPlan: p, progress: env.Progress, log: env.Log}
	if err := f.readActivations(); err != nil {
		return nil, err
	}
	if f.model, err = models.NewAutoencoder(p.arguments, models.Options{Device: env.Device, Seed: p.Seed, Corrected: p.corrected}); err != nil {
		return nil, err
	}
	defer f.model.Close()
	o := optim.DefaultAdam(false)
	o.LR = f.model.LearningRate
	f.optimizer = optim.NewAdam(f.model.Store().Scope(), f.model.Store().Parameters(), o)
	if err := f.resume(); err != nil {
		return nil, err
	}
	if err := errors.Join(record.write(p.OutputDir), fileio.MkdirAll(filepath.Dir(f.lastPath()))); err != nil {
		return nil, err
	}
	err = f.loggers.Start(f.logStates, env.Log)
	if err == nil {
		err = f.fit(soft, hard)
	}
	if err = errors.Join(err, f.loggers.Close(hard, endStatus(hard, err))); err != nil {
		return nil, err
	}
	result := &Result{Final: f.lastPath(), Epochs: f.epoch}
	return result, result.write(p.OutputDir)
}

// readActivations puts the examples of all files one after the other.
func (f *autoencoderFitter) readActivations() error {
	for _, path := range f.settings.activations {
		a, err := npy.ReadFile(path)
		if err != nil {
			return fmt.Errorf("activations: %w", err)
		}
		if len(a.Shape) == 0 || a.Len() == 0 {
			return fmt.Errorf("activations %s have the shape %s: there are no responses (…, neurons) in it", path, torch.FormatShape(a.Shape))
		}
		neurons := int64(a.Shape[len(a.Shape)-1])
		if f.arguments.InputDim == 0 {
			f.arguments.InputDim = neurons
		}
		if neurons != f.arguments.InputDim {
			return fmt.Errorf("activations %s have %d neurons in the last dimension, not input_dim=%d", path, neurons, f.arguments.InputDim)
		}
		values := a.Float32s()
		for i, v := range values {
			if v-v != 0 {
				return fmt.Errorf("activations %s hold %v at value %d: every value must be a finite number", path, v, i)
			}
		}
		f.examples = append(f.examples, values...)
	}
	return nil
}

// count is the number of examples.
func (f *autoencoderFitter) count() int { return len(f.examples) / int(f.arguments.InputDim) }

// resume continues from trainer.ckpt_path.
func (f *autoencoderFitter) resume() error {
	path := f.settings.start
	switch path {
	case "":
		return nil
	case lastCheckpoint:
		path = f.lastPath()
	}
	c, err := models.Open(path)
	if f.settings.start == lastCheckpoint && errors.Is(err, fs.ErrNotExist) {
		f.log.Info("trainer.ckpt_path=last: there is no checkpoint yet, starting anew", "directory", filepath.Dir(path))
		return nil
	}
	if err != nil {
		return fmt.Errorf("trainer.ckpt_path: %w", err)
	}
	if !models.HoldsAutoencoder(c) || len(c.OptimizerStates) == 0 {
		return fmt.Errorf("trainer.ckpt_path: %s is no checkpoint of the training of an autoencoder", path)
	}
	var state []ndarray.Named
	for _, name := range c.State.Names() {
		a, _ := c.State.Get(name)
		state = append(state, ndarray.Named{Name: name, Array: a})
	}
	if err := f.model.Store().Load(state); err != nil {
		return fmt.Errorf("trainer.ckpt_path: %w", err)
	}
	if err := f.readLogStates(c); err != nil {
		return fmt.Errorf("trainer.ckpt_path: %s: %w", path, err)
	}
	f.epoch, f.steps, f.resumed = int(c.Epoch), int(c.GlobalStep), true
	return f.optimizer.SetState(optimizerState(c.OptimizerStates[0], counted(len(f.model.Store().Parameters()))))
}

// logStatesKey is the loggers' states in a checkpoint, as JSON.
const logStatesKey = "openretina_go_loggers"

// readLogStates lets the loggers of the run's own last checkpoint go on.
func (f *autoencoderFitter) readLogStates(c *checkpoint.Checkpoint) error {
	if f.settings.start != lastCheckpoint || c.Extra == nil {
		return nil
	}
	text, ok := get[string](c.Extra, logStatesKey)
	if !ok {
		return nil
	}
	return json.Unmarshal([]byte(text), &f.logStates)
}

func (f *autoencoderFitter) lastPath() string {
	return filepath.Join(f.OutputDir, checkpointsDir, lastName+checkpointSuffix)
}

// save writes last.ckpt, at the start of an epoch.
func (f *autoencoderFitter) save() error {
	c, err := f.model.Checkpoint()
	if err != nil {
		return err
	}
	optimizer, err := optimizerTree(f.optimizer)
	if err != nil {
		return err
	}
	states, err := f.loggers.States()
	if err != nil {
		return err
	}
	text, err := json.Marshal(states)
	if err != nil {
		return err
	}
	c.Extra = pickle.NewDict(logStatesKey, string(text))
	c.Epoch, c.GlobalStep = int64(f.epoch), int64(f.steps)
	c.OptimizerStates, c.LRSchedulers, c.Callbacks = []any{optimizer}, []any{}, pickle.NewDict()
	c.Loops = loopsTree(f.epoch, f.steps, (f.count()+f.settings.batchSize-1)/f.settings.batchSize, 0)
	return checkpoint.Write(f.lastPath(), c)
}

func (f *autoencoderFitter) fit(soft, hard context.Context) error {
	if !f.resumed { // an interrupt in the first epoch has where to go on
		if err := errors.Join(f.loggers.Save(), f.save()); err != nil {
			return err
		}
	}
	for f.epoch < f.settings.epochs {
		started := time.Now()
		metrics, err := f.trainEpoch(soft, hard)
		if err != nil {
			return err
		}
		if err := f.loggers.Row(rowOf(metrics, f.epoch, f.steps-1)); err != nil {
			return err
		}
		f.epoch++
		if err := errors.Join(f.loggers.Save(), f.save()); err != nil {
			return err
		}
		report := EpochReport{Elapsed: time.Since(started)}
		for _, name := range []string{"train_loss", "mse_loss", "active_neurons", "fraction_inactive_neurons"} {
			value, _ := lookup(metrics, name)
			report.Metrics = append(report.Metrics, tracking.Metric{Name: name, Value: value})
		}
		f.progress.EpochEnd(report)
	}
	return nil
}

// trainEpoch goes over all examples, in an order of its own for each seed and epoch.
func (f *autoencoderFitter) trainEpoch(soft, hard context.Context) ([]metric, error) {
	neurons, batch := int(f.arguments.InputDim), f.settings.batchSize
	order := rand.New(rand.NewPCG(f.Seed, uint64(f.epoch))).Perm(f.count())
	steps := (len(order) + batch - 1) / batch
	f.progress.Epoch(f.epoch, f.settings.epochs, steps)
	sums, hidden := newAverages(), newHiddenActivity(int(f.arguments.HiddenDim))
	for done := 0; len(order) > 0; {
		if soft.Err() != nil {
			return nil, &Interrupted{Checkpoint: f.lastPath(), Cause: context.Cause(soft)}
		}
		chosen := order[:min(batch, len(order))]
		order = order[len(chosen):]
		x := make([]float32, 0, len(chosen)*neurons)
		for _, example := range chosen {
			x = append(x, f.examples[example*neurons:(example+1)*neurons]...)
		}
		m, err := f.step(hard, x, len(chosen), hidden)
		if err != nil {
			return nil, fmt.Errorf("epoch %d, step %d: %w", f.epoch, f.steps, err)
		}
		for _, logged := range m {
			sums.add(logged.name, logged.value, len(chosen))
		}
		f.steps++
		done++
		loss, _ := lookup(m, "train_loss")
		f.progress.Batch(done, len(chosen), StepMetrics{TrainLoss: loss})
	}
	return append(sums.values(), hidden.metrics()...), nil
}

// step makes one step: decoder at norm 1, loss, gradient without what would change the
// norms, Adam.
func (f *autoencoderFitter) step(ctx context.Context, values []float32, examples int, hidden *hiddenActivity) ([]metric, error) {
	var total, squares, sparsity, difference, active float64
	err := torch.DoOn(ctx, f.model.Device(), torch.Train, func(s *torch.Scope) error {
		if err := f.model.Store().ZeroGrad(); err != nil {
			return err
		}
		f.model.ScaleDecoder(s)
		x := s.Lend(values, int64(examples), f.arguments.InputDim)
		z := f.model.Encode(s, x)
		loss, mse, sparse := f.model.Losses(s, x, z, f.model.Decode(s, z))
		s.Backward(loss)
		f.model.ProjectGradient(s)
		norms := f.model.NormDifference(s)
		f.optimizer.Step(s, loss)
		if err := read(s, []reading{{&total, loss}, {&squares, mse}, {&sparsity, sparse}, {&difference, norms}}); err != nil {
			return err
		}
		activations, err := s.Float32s(z)
		active = hidden.add(activations)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []metric{
		{"mse_loss", squares}, {"sparsity_loss", sparsity}, {"decoder_norm_diff", difference}, {"train_loss", total}, {"active_neurons", active},
	}, checkFinite("the training loss", total, "activations")
}

// hiddenActivity is what the hidden units did in an epoch.
type hiddenActivity struct {
	highest []float32
	means   float64 // of each batch, summed
	batches int
}

func newHiddenActivity(units int) *hiddenActivity {
	return &hiddenActivity{highest: make([]float32, units)}
}

// add takes the activations (examples, units) of a batch, and gives how many units are
// active in an example.
func (h *hiddenActivity) add(z []float32) (active float64) {
	total := 0.0
	for i, v := range z {
		unit := i % len(h.highest)
		h.highest[unit] = max(h.highest[unit], v)
		total += float64(v)
		if v > 0 {
			active++
		}
	}
	h.means += total / float64(max(len(z), 1))
	h.batches++
	return active * float64(len(h.highest)) / float64(max(len(z), 1))
}

// metrics are those of on_train_epoch_end.
func (h *hiddenActivity) metrics() []metric {
	below := func(threshold float32) float64 {
		quiet := slices.DeleteFunc(slices.Clone(h.highest), func(v float32) bool { return v > threshold })
		return float64(len(quiet)) / float64(len(h.highest))
	}
	return []metric{
		{"mean_hidden_activations", h.means / float64(max(h.batches, 1))},
		{"fraction_inactive_neurons", below(0)},
		{"fraction_barely_active_neurons", below(0.1)},
	}
}
