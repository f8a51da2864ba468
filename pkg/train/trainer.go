package train

import (
	"fmt"
	"os"

	"github.com/open-retina/openretina-go/pkg/config"
)

// trainerConfig are the arguments of lightning.Trainer that mean something here.
// Null stands for Lightning's default, as an absent key does.
type trainerConfig struct {
	MaxEpochs             *int     `yaml:"max_epochs"`
	MaxSteps              int      `yaml:"max_steps"`
	GradientClipVal       *float64 `yaml:"gradient_clip_val"`
	GradientClipAlgorithm *string  `yaml:"gradient_clip_algorithm"`
	Precision             any      `yaml:"precision"`
	AccumulateGradBatches int      `yaml:"accumulate_grad_batches"`
	LimitTrainBatches     *limit   `yaml:"limit_train_batches"`
	LimitValBatches       *limit   `yaml:"limit_val_batches"`
	LimitTestBatches      *limit   `yaml:"limit_test_batches"`
	CheckValEveryNEpoch   int      `yaml:"check_val_every_n_epoch"`
	CkptPath              *string  `yaml:"ckpt_path"`
	FastDevRun            bool     `yaml:"fast_dev_run"`
	DefaultRootDir        *string  `yaml:"default_root_dir"`
	Deterministic         any      `yaml:"deterministic"`
	Accelerator           string   `yaml:"accelerator"`
	Devices               any      `yaml:"devices"`
	LogEveryNSteps        *int     `yaml:"log_every_n_steps"`
	EnableProgressBar     *bool    `yaml:"enable_progress_bar"`
	EnableModelSummary    *bool    `yaml:"enable_model_summary"`
	EnableCheckpointing   *bool    `yaml:"enable_checkpointing"`
	NumSanityValSteps     *int     `yaml:"num_sanity_val_steps"`
	Benchmark             *bool    `yaml:"benchmark"`
	DetectAnomaly         bool     `yaml:"detect_anomaly"`
	Strategy              string   `yaml:"strategy"`
	NumNodes              int      `yaml:"num_nodes"`
	ValCheckInterval      *float64 `yaml:"val_check_interval"`
}

// Trainers are the trainer's _target_ names.
var Trainers = &config.Registry[struct{}, trainerConfig]{What: "trainer"}

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	for _, name := range []string{"lightning.Trainer", "lightning.pytorch.Trainer", "lightning.pytorch.trainer.trainer.Trainer"} {
		config.Register(Trainers, name, defaultTrainer(), func(c trainerConfig, _ struct{}) (trainerConfig, error) { return c, nil })
	}
}

func defaultTrainer() trainerConfig {
	return trainerConfig{
		MaxSteps: -1, AccumulateGradBatches: 1, CheckValEveryNEpoch: 1, Accelerator: "auto", Strategy: "auto", NumNodes: 1,
	}
}

// orElse is what an argument is, or the value that null stands for.
func orElse[T any](argument *T, otherwise T) T {
	if argument == nil {
		return otherwise
	}
	return *argument
}

// limit is Lightning's limit_*_batches: a number of batches, or a part of them.
type limit struct {
	batches  int
	fraction float64
}

// Forms are an integer and a fraction.
func (limit) Forms() []any { return []any{0, float64(0)} }

// UnmarshalNode reads an integer or a fraction.
func (l *limit) UnmarshalNode(n *config.Node) error {
	if n.Kind() == config.Int {
		if err := n.Decode(&l.batches); err != nil {
			return err
		}
	} else if err := n.Decode(&l.fraction); err != nil {
		return err
	}
	if l.batches < 0 || !(l.fraction >= 0 && l.fraction <= 1) {
		return fmt.Errorf("%s must be a number of batches, or a part of them between 0.0 and 1.0", n.Path())
	}
	return nil
}

// of is how many of n batches are used.
func (l *limit) of(n int) int {
	switch {
	case l == nil:
		return n
	case l.batches > 0 || l.fraction == 0:
		return min(l.batches, n)
	}
	return int(l.fraction * float64(n))
}

// Validate refuses what training does not do.
func (t *trainerConfig) Validate() error {
	var refused config.Refusals
	unless := func(holds bool, key, format string, args ...any) {
		refused.Unless(holds, key, "trainer."+key+format, args...)
	}
	algorithm := orElse(t.GradientClipAlgorithm, "norm")
	unless(algorithm == "norm", "gradient_clip_algorithm", " must be norm, got %q", algorithm)
	unless(t.AccumulateGradBatches >= 1, "accumulate_grad_batches", " must be at least 1, got %d", t.AccumulateGradBatches)
	unless(t.CheckValEveryNEpoch >= 1, "check_val_every_n_epoch", " must be at least 1, got %d", t.CheckValEveryNEpoch)
	unless(orElse(t.ValCheckInterval, 1) == 1, "val_check_interval", " must be 1.0: validation runs at the end of an epoch")
	unless(t.Accelerator == "auto" || t.Accelerator == "cpu", "accelerator",
		"=%s: where to compute is set by --device (auto, cpu, cuda, cuda:N)", t.Accelerator)
	one := t.Devices == nil || fmt.Sprint(t.Devices) == "auto" || fmt.Sprint(t.Devices) == "1"
	unless(one, "devices", "=%v: training runs on one device", t.Devices)
	unless(t.Strategy == "auto", "strategy", "=%s: training runs in one process", t.Strategy)
	unless(t.NumNodes == 1, "num_nodes", "=%d: training runs in one process", t.NumNodes)
	return refused.Err()
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
	if t.FastDevRun {
		one := limit{batches: 1}
		epochs := 1
		t.LimitTrainBatches, t.LimitValBatches, t.LimitTestBatches, t.MaxEpochs = &one, &one, &one, &epochs
	}
	return nil
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
