package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
)

// Plan is a training whose config has been checked: nothing was loaded yet.
type Plan struct {
	// OutputDir is the run directory, paths.output_dir.
	OutputDir string
	// Seed of the initial weights and of the order of clips.
	Seed uint64
	// Notes say what of the config has no effect here, one line each.
	Notes []string

	cfg         *config.Config
	source      *data.Source
	model       *config.Node
	optimizer   optim.Builder // nil: AdamW with the model's learning rate
	optimName   string
	plateau     *optim.PlateauConfig // nil: none
	trainer     trainerConfig
	callbacks   callbacks
	csvDir      string // empty: no CSV log
	onlyReadout bool
	objective   string          // the metric that a search judges the training by; empty: none
	precision   torch.Precision // on a GPU
}

// rootConfig are the keys of a training config that this package reads itself.
// Other keys (variables of the user's own) are left alone.
type rootConfig struct {
	seed        *int64
	outputDir   string
	loadModel   *string
	objective   *string
	onlyReadout bool
}

// NewPlan checks a composed config: every key and name that training will need,
// before any data is read.
func NewPlan(cfg *config.Config) (*Plan, error) {
	root, err := readRoot(cfg.Root)
	if err != nil {
		return nil, err
	}
	p := &Plan{cfg: cfg, OutputDir: root.outputDir, onlyReadout: root.onlyReadout}
	if root.loadModel != nil {
		n, _ := cfg.Root.At("paths.load_model_path")
		return nil, config.Errorf(n, "starting from a trained model is not supported yet: leave paths.load_model_path null "+
			"(trainer.ckpt_path=FILE continues a training)")
	}
	if root.objective != nil {
		if p.objective = *root.objective; !slices.Contains(validationMetrics, p.objective) {
			n, _ := cfg.Root.At("objective_target")
			return nil, config.Errorf(n, "objective_target %q is no metric of the validation: %s", p.objective, strings.Join(validationMetrics, ", "))
		}
	}
	if root.seed != nil {
		p.Seed = uint64(*root.seed)
	} else {
		p.Seed = randomSeed()
	}
	if p.source, err = data.ParseConfig(cfg.Root); err != nil {
		return nil, err
	}
	for _, part := range []func() error{p.readModel, p.readTrainer, p.readPrecision, p.readCallbacks, p.readLoggers} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func readRoot(root *config.Node) (r rootConfig, err error) {
	for _, field := range []struct {
		path string
		to   any
		need bool
	}{
		{"seed", &r.seed, false},
		{"paths.output_dir", &r.outputDir, true},
		{"paths.load_model_path", &r.loadModel, false},
		{"only_train_readout", &r.onlyReadout, false},
		{"objective_target", &r.objective, false},
	} {
		n, ok := root.At(field.path)
		if !ok {
			if field.need {
				return r, config.Errorf(root, "the config has no %s", field.path)
			}
			continue
		}
		if err := n.Decode(field.to); err != nil {
			return r, err
		}
	}
	return r, nil
}

// readModel checks the model's node as far as possible without data, and the
// optimizer and schedule in it.
func (p *Plan) readModel() error {
	n, ok := p.cfg.Root.Get("model")
	if !ok {
		return config.Errorf(p.cfg.Root, "the config has no model")
	}
	model, err := n.Resolve()
	if err != nil {
		return err
	}
	if err := models.Check(model); err != nil {
		return err
	}
	p.model = model
	p.optimName = "AdamW"
	if o, ok := model.Get("optimizer"); ok && o.Kind() != config.Null {
		if p.optimizer, err = optim.FromConfig(o); err != nil {
			return err
		}
		target, err := config.Target(o)
		if err != nil {
			return err
		}
		p.optimName = target[strings.LastIndexByte(target, '.')+1:]
	}
	return p.readScheduler()
}

// readScheduler reads lr_scheduler. Absent or null is the Python package's
// default; that monitors val_correlation, which is never logged and fails there,
// so here it monitors val_evaluation_loss.
func (p *Plan) readScheduler() error {
	s, ok := p.model.Get("lr_scheduler")
	if !ok || s.Kind() == config.Null {
		c := optim.PlateauConfig{PlateauOptions: optim.DefaultPlateau(), Monitor: evaluationMetric, Interval: "epoch", Frequency: 1}
		c.Mode, c.Factor, c.Patience, c.Threshold, c.ThresholdMode = "max", 0.3, 5, 0.0005, "abs"
		p.plateau = &c
		p.Notes = append(p.Notes, "no lr_scheduler is set: using ReduceLROnPlateau on "+evaluationMetric)
		return nil
	}
	target, err := config.Target(s)
	if err != nil {
		return err
	}
	if target != optim.PlateauTarget {
		return config.Errorf(s, "unknown lr_scheduler %q: known is %s", target, optim.PlateauTarget)
	}
	c, err := optim.PlateauFromConfig(s)
	if err != nil {
		return err
	}
	if c.Interval != "epoch" {
		return config.Errorf(s, "lr_scheduler.interval must be epoch for ReduceLROnPlateau, got %q", c.Interval)
	}
	p.plateau = &c
	return nil
}

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
	Detect                bool     `yaml:"detect_anomaly"`
	Strategy              string   `yaml:"strategy"`
	NumNodes              int      `yaml:"num_nodes"`
	ValCheckInterval      *float64 `yaml:"val_check_interval"`
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

func (p *Plan) readTrainer() error {
	p.trainer = defaultTrainer()
	n, ok := p.cfg.Root.Get("trainer")
	if !ok {
		return nil
	}
	if err := n.Decode(&p.trainer); err != nil {
		return err
	}
	t := &p.trainer
	switch {
	case t.GradientClipAlgorithm != nil && *t.GradientClipAlgorithm != "norm":
		return config.Errorf(n, "trainer.gradient_clip_algorithm must be norm, got %q", *t.GradientClipAlgorithm)
	case t.AccumulateGradBatches < 1:
		return config.Errorf(n, "trainer.accumulate_grad_batches must be at least 1, got %d", t.AccumulateGradBatches)
	case t.CheckValEveryNEpoch < 1:
		return config.Errorf(n, "trainer.check_val_every_n_epoch must be at least 1, got %d", t.CheckValEveryNEpoch)
	case t.ValCheckInterval != nil && *t.ValCheckInterval != 1:
		return config.Errorf(n, "trainer.val_check_interval must be 1.0: validation runs at the end of an epoch")
	case t.Accelerator != "auto" && t.Accelerator != "cpu":
		return config.Errorf(n, "trainer.accelerator=%s: where to compute is set by --device (auto, cpu, cuda, cuda:N)", t.Accelerator)
	case fmt.Sprint(t.Devices) != "<nil>" && fmt.Sprint(t.Devices) != "auto" && fmt.Sprint(t.Devices) != "1":
		return config.Errorf(n, "trainer.devices=%v: training runs on one device", t.Devices)
	case t.Strategy != "auto" || t.NumNodes != 1:
		return config.Errorf(n, "trainer.strategy and num_nodes: training runs in one process")
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

// csvLoggerConfig are the arguments of Lightning's CSVLogger.
type csvLoggerConfig struct {
	SaveDir    string  `yaml:"save_dir,required"`
	Name       *string `yaml:"name"`
	Version    any     `yaml:"version"`
	Prefix     string  `yaml:"prefix"`
	FlushEvery int     `yaml:"flush_logs_every_n_steps"`
}

func (p *Plan) readLoggers() error {
	n, ok := p.cfg.Root.Get("logger")
	if !ok || n.Kind() == config.Null {
		return nil
	}
	for name, logger := range n.Fields() {
		target, err := config.Target(logger)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(target, ".CSVLogger") {
			p.Notes = append(p.Notes, fmt.Sprintf("logger.%s (%s) is not written; the CSV log has all metrics", name, target))
			continue
		}
		var c csvLoggerConfig
		if err := logger.Decode(&c); err != nil {
			return err
		}
		if c.Prefix != "" {
			return config.Errorf(logger, "logger.%s.prefix is not supported", name)
		}
		p.csvDir = c.dir()
	}
	return nil
}

var errNoData = errors.New("no training batches: limit_train_batches is 0, or the data is too short")
