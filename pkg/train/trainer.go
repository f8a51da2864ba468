package train

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
)

// trainerConfig are the arguments of lightning.Trainer. Null stands for Lightning's
// default, as an absent key does.
type trainerConfig struct {
	MaxEpochs *int      `yaml:"max_epochs"`
	MinEpochs *int      `yaml:"min_epochs"`
	MaxSteps  int       `yaml:"max_steps"`
	MinSteps  *int      `yaml:"min_steps"`
	MaxTime   *timespan `yaml:"max_time"`
	CkptPath  *string   `yaml:"ckpt_path"`

	AccumulateGradBatches int      `yaml:"accumulate_grad_batches"`
	GradientClipVal       *float64 `yaml:"gradient_clip_val"`
	GradientClipAlgorithm *string  `yaml:"gradient_clip_algorithm"`
	Precision             any      `yaml:"precision"`

	LimitTrainBatches *limit  `yaml:"limit_train_batches"`
	LimitValBatches   *limit  `yaml:"limit_val_batches"`
	LimitTestBatches  *limit  `yaml:"limit_test_batches"`
	OverfitBatches    *limit  `yaml:"overfit_batches"`
	FastDevRun        devRun  `yaml:"fast_dev_run"`
	DefaultRootDir    *string `yaml:"default_root_dir"`

	CheckValEveryNEpoch *int   `yaml:"check_val_every_n_epoch"`
	ValCheckInterval    *limit `yaml:"val_check_interval"`
	NumSanityValSteps   *int   `yaml:"num_sanity_val_steps"`
	LogEveryNSteps      *int   `yaml:"log_every_n_steps"`
	EnableCheckpointing *bool  `yaml:"enable_checkpointing"`
	DetectAnomaly       bool   `yaml:"detect_anomaly"`

	Accelerator   string `yaml:"accelerator"`
	Devices       any    `yaml:"devices"`
	Strategy      string `yaml:"strategy"`
	NumNodes      int    `yaml:"num_nodes"`
	Deterministic any    `yaml:"deterministic"`
	Benchmark     *bool  `yaml:"benchmark"`

	WithoutEffect withoutEffect `yaml:",inline"`
	NotHere       notHere       `yaml:",inline"`
}

// withoutEffect are arguments that change nothing here: what they choose between is
// the same, or is never shown.
type withoutEffect struct {
	EnableProgressBar     *bool   `yaml:"enable_progress_bar"`
	EnableModelSummary    *bool   `yaml:"enable_model_summary"`
	EnableAutologHparams  *bool   `yaml:"enable_autolog_hparams"`
	InferenceMode         *bool   `yaml:"inference_mode"`
	LimitPredictBatches   *limit  `yaml:"limit_predict_batches"`
	ModelRegistry         *string `yaml:"model_registry"`
	SyncBatchnorm         *bool   `yaml:"sync_batchnorm"`
	UseDistributedSampler *bool   `yaml:"use_distributed_sampler"`
}

// notHere are arguments that only their defaults are known of.
type notHere struct {
	Barebones         bool `yaml:"barebones"`
	Plugins           any  `yaml:"plugins"`
	Profiler          any  `yaml:"profiler"`
	ReloadDataloaders int  `yaml:"reload_dataloaders_every_n_epochs"`
}

// Trainers are the trainer's _target_ names.
var Trainers = &config.Registry[struct{}, trainerConfig]{What: "trainer"}

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	for _, name := range []string{"lightning.Trainer", "lightning.pytorch.Trainer", "lightning.pytorch.trainer.trainer.Trainer"} {
		config.Register(Trainers, name, defaultTrainer(), func(c trainerConfig, _ struct{}) (trainerConfig, error) { return c, nil })
	}
}

func defaultTrainer() trainerConfig {
	everyEpoch := 1
	return trainerConfig{
		MaxSteps: -1, AccumulateGradBatches: 1, CheckValEveryNEpoch: &everyEpoch, Accelerator: "auto", Strategy: "auto", NumNodes: 1,
	}
}

// The words of gradient_clip_algorithm.
const (
	clipByNorm  = "norm"
	clipByValue = "value"
)

// clipping is the largest norm of the gradients, and the largest size of their elements;
// 0 leaves them.
func (t *trainerConfig) clipping() (norm, value float64) {
	most := orElse(t.GradientClipVal, 0)
	if strings.ToLower(orElse(t.GradientClipAlgorithm, clipByNorm)) == clipByValue {
		return 0, most
	}
	return most, 0
}

// validatesAtEpochEnds tells that each epoch ends with a validation, and has no other.
func (t *trainerConfig) validatesAtEpochEnds() bool {
	return orElse(t.CheckValEveryNEpoch, 0) == 1 && (t.ValCheckInterval == nil || t.ValCheckInterval.fraction == 1)
}

// checkBatches refuses what does not go with the numbers of batches of the data.
func (t *trainerConfig) checkBatches(train, validation int) error {
	if err := errors.Join(t.LimitTrainBatches.check("limit_train_batches", train), t.LimitValBatches.check("limit_val_batches", validation)); err != nil {
		return err
	}
	batches := t.LimitTrainBatches.of(train)
	if t.LimitValBatches.of(validation) == 0 {
		return nil
	}
	interval, within := t.ValCheckInterval.interval(batches), t.CheckValEveryNEpoch != nil
	if within && interval > batches {
		return fmt.Errorf("trainer.val_check_interval=%d is more than the %d batches of an epoch: set limit_val_batches=0 for no validation, "+
			"or check_val_every_n_epoch=null to count the batches of all epochs", interval, batches)
	}
	if n := t.AccumulateGradBatches; interval%n != 0 && interval != batches || !within && batches%n != 0 {
		return fmt.Errorf("trainer.val_check_interval: a validation after %d batches comes in the midst of the %d of a step: "+
			"make it a multiple of accumulate_grad_batches", interval, n)
	}
	return nil
}

// orElse is what an argument is, or the value that null stands for.
func orElse[T any](argument *T, otherwise T) T {
	if argument == nil {
		return otherwise
	}
	return *argument
}

// Validate refuses what Lightning refuses, and what training does not do.
func (t *trainerConfig) Validate() error {
	var refused config.Refusals
	unless := func(holds bool, key, format string, args ...any) {
		refused.Unless(holds, key, "trainer."+key+format, args...)
	}
	const least = " must be at least %d, got %d"
	for _, c := range []struct {
		key        string
		value, min int
	}{
		{"max_epochs", orElse(t.MaxEpochs, 0), -1},
		{"min_epochs", orElse(t.MinEpochs, 0), 0},
		{"max_steps", t.MaxSteps, -1},
		{"min_steps", orElse(t.MinSteps, 0), 0},
		{"accumulate_grad_batches", t.AccumulateGradBatches, 1},
		{"check_val_every_n_epoch", orElse(t.CheckValEveryNEpoch, 1), 1},
		{"num_sanity_val_steps", orElse(t.NumSanityValSteps, 0), -1},
		{"log_every_n_steps", orElse(t.LogEveryNSteps, 0), 0},
	} {
		unless(c.value >= c.min, c.key, least, c.min, c.value)
	}
	algorithm := strings.ToLower(orElse(t.GradientClipAlgorithm, clipByNorm))
	unless(algorithm == clipByNorm || algorithm == clipByValue, "gradient_clip_algorithm", " must be norm or value, got %q", algorithm)
	unless(!(orElse(t.GradientClipVal, 0) < 0), "gradient_clip_val", " must not be negative, got %v", orElse(t.GradientClipVal, 0))
	unless(t.CheckValEveryNEpoch != nil || t.ValCheckInterval.counts(), "val_check_interval",
		" must be a number of batches where check_val_every_n_epoch is null")
	refused = append(refused, t.checkDevice()...)
	unless(!t.NotHere.Barebones, "barebones", " is not supported: the trainer has nothing that it would turn off")
	unless(t.NotHere.Plugins == nil, "plugins", " are not supported")
	unless(t.NotHere.Profiler == nil, "profiler", " is not supported: --dry-run measures how long steps take")
	unless(t.NotHere.ReloadDataloaders == 0, "reload_dataloaders_every_n_epochs", " is not supported: the data is read once")
	return refused.Err()
}

// checkDevice refuses more than one device, and what chooses one.
func (t *trainerConfig) checkDevice() config.Refusals {
	var refused config.Refusals
	refused.Unless(slices.Contains([]string{"auto", "cpu", "gpu", "cuda"}, t.Accelerator), "accelerator",
		"trainer.accelerator must be auto, cpu, gpu or cuda, got %q", t.Accelerator)
	one := t.Devices == nil || slices.Contains([]string{"auto", "1", "-1", "[0]"}, fmt.Sprint(t.Devices))
	refused.Unless(one, "devices", "trainer.devices=%v: training runs on one device, which --device names (cuda:N)", t.Devices)
	refused.Unless(t.Strategy == "auto" || t.Strategy == "single_device", "strategy",
		"trainer.strategy=%s: training runs in one process", t.Strategy)
	refused.Unless(t.NumNodes == 1, "num_nodes", "trainer.num_nodes=%d: training runs in one process", t.NumNodes)
	word := fmt.Sprint(t.Deterministic)
	refused.Unless(t.Deterministic == nil || word == "true" || word == "false" || word == "warn", "deterministic",
		"trainer.deterministic must be true, false or warn, got %v", t.Deterministic)
	return refused
}

func (p *Plan) readTrainer() error {
	p.trainer = defaultTrainer()
	n, err := p.cfg.Root.Select("trainer")
	if err != nil || n == nil {
		return err
	}
	t := &p.trainer
	if _, named := n.Get(config.TargetKey); named {
		*t, err = Trainers.Build(n, struct{}{})
	} else {
		err = n.Read(t)
	}
	if err != nil {
		return err
	}
	if path := orElse(t.CkptPath, ""); path != "" && path != lastCheckpoint {
		if _, err := os.Stat(path); err != nil {
			var problems config.Problems
			problems.AddAt(n, config.Refuse("ckpt_path", "trainer.ckpt_path: there is no checkpoint %s", path))
			return problems.Err()
		}
	}
	t.simplify()
	return nil
}

// Device is what trainer.accelerator asks for: auto, cpu or cuda.
func (p *Plan) Device() string {
	if p.trainer.Accelerator == "gpu" {
		return "cuda"
	}
	return p.trainer.Accelerator
}

// simplify turns the arguments that stand for several into these
// (lightning.pytorch.trainer.setup._init_debugging_flags).
func (t *trainerConfig) simplify() {
	if n := int(t.FastDevRun); n > 0 {
		few := &limit{batches: n}
		epochs, off, each, atTheEnd := 1, false, 1, &limit{fraction: 1}
		t.LimitTrainBatches, t.LimitValBatches, t.LimitTestBatches = few, few, few
		t.MaxEpochs, t.MaxSteps, t.CheckValEveryNEpoch, t.ValCheckInterval = &epochs, n, &each, atTheEnd
		none := 0
		t.EnableCheckpointing, t.NumSanityValSteps = &off, &none
	}
	if t.OverfitBatches.some() {
		t.LimitTrainBatches, t.LimitValBatches = t.OverfitBatches, t.OverfitBatches
	}
}

// maxEpochs is Lightning's: 1000 where neither epochs nor steps are limited, -1
// for no limit.
func (t *trainerConfig) maxEpochs() int {
	switch {
	case t.MaxEpochs != nil:
		return *t.MaxEpochs
	case t.MaxSteps >= 0:
		return -1
	}
	return 1000
}
