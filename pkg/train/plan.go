package train

import (
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
	"github.com/open-retina/openretina-go/pkg/tracking"
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
	conventions models.Conventions
	corrected   bool
	source      *data.Source
	model       *config.Node
	optimizer   optim.Builder // nil: AdamW with the model's learning rate
	optimName   string
	scheduler   *optim.Scheduler // its own, or the default
	trainer     trainerConfig
	callbacks   callbacks
	loggers     tracking.Group
	root        RootKeys
	startFrom   string          // the trained model to start from; empty: none
	objective   string          // the metric that a search judges the training by; empty: none
	precision   torch.Precision // on a GPU
}

// NewPlan checks a composed config: every key and name that training will need,
// before any data is read. It tells all that is wrong, in the order of the config:
// its error is a *config.Error or a config.ErrorList.
func NewPlan(cfg *config.Config) (*Plan, error) {
	p := &Plan{cfg: cfg}
	var problems config.Problems
	for _, read := range []func() error{
		p.readRoot, p.readData, p.readModel, p.readTrainer, p.readPrecision, p.readCallbacks, p.readLoggers, p.checkSteps, p.checkMonitors, p.checkNames,
	} {
		problems.Add(read())
	}
	if err := problems.InOrder(cfg.Root); err != nil {
		return nil, err
	}
	return p, nil
}

// validationMetrics are the names of what is logged after a validation.
func (p *Plan) validationMetrics() []string {
	names := make([]string, len(p.conventions.Validation))
	for i, m := range p.conventions.Validation {
		names[i] = m.Name
	}
	return append(names, meanLossMetric)
}

// evaluationMetric is the name of the evaluation loss of the validation data, which is
// watched by default.
func (p *Plan) evaluationMetric() string {
	for _, m := range p.conventions.Validation {
		if m.Quantity.Judges() {
			return m.Name
		}
	}
	return ""
}

// decode decodes what stands under a path; what is absent leaves the value as it is.
func (p *Plan) decode(path string, to any) error {
	n, ok := p.cfg.Root.At(path)
	if !ok {
		_, err := p.cfg.Root.Select(path) // an interpolation on the way may fail
		return err
	}
	return n.Decode(to)
}

// section is a mapping at the root of the config; nil where it is absent or null.
func (p *Plan) section(name string) (*config.Node, error) {
	n, err := p.cfg.Root.Select(name)
	if err != nil || n == nil || n.Kind() == config.Null {
		return nil, err
	}
	if n.Kind() != config.Map {
		return nil, config.Errorf(n, "%s must be a mapping, not %v", name, n.Kind())
	}
	return n, nil
}

func (p *Plan) readData() (err error) {
	p.source, err = data.ParseConfig(p.cfg.Root)
	return err
}

// readModel checks the model's node as far as possible without data, and the
// optimizer and schedule in it.
func (p *Plan) readModel() error {
	n, err := p.cfg.Root.Select("model")
	if err != nil {
		return err
	}
	if n == nil {
		return config.Errorf(p.cfg.Root, "the config has no model")
	}
	var problems config.Problems
	problems.Add(models.Check(n))
	problems.Add(p.readOptimizer(n))
	problems.Add(p.readScheduler(n))
	if err := problems.Err(); err != nil {
		return err
	}
	p.model, err = n.Resolve()
	return err
}

func (p *Plan) readOptimizer(model *config.Node) error {
	p.optimName = "AdamW"
	o, err := model.Select("optimizer")
	if err != nil || o == nil || o.Kind() == config.Null {
		return err
	}
	if p.optimizer, err = optim.FromConfig(o); err != nil {
		return err
	}
	target, err := config.Target(o)
	p.optimName = target[strings.LastIndexByte(target, '.')+1:]
	return err
}

// readScheduler reads lr_scheduler. Absent or null is the Python package's default.
// That monitors val_correlation, as a ReduceLROnPlateau without a monitor does, which
// is never logged and fails there; here they monitor val_evaluation_loss.
func (p *Plan) readScheduler(model *config.Node) error {
	n, err := model.Select("lr_scheduler")
	if err != nil {
		return err
	}
	if n == nil || n.Kind() == config.Null {
		p.Notes = append(p.Notes, "no lr_scheduler is set: using ReduceLROnPlateau on "+p.evaluationMetric())
		metric := p.evaluationMetric()
		p.scheduler, err = optim.DefaultScheduler(metric, p.direction(metric))
		return err
	}
	if p.scheduler, err = optim.SchedulerFromConfig(n); err != nil || p.scheduler.Mode == "" || p.scheduler.Monitor != nil {
		return err
	}
	if _, isNull := n.Get("monitor"); isNull {
		return config.Errorf(n, "lr_scheduler.monitor: ReduceLROnPlateau needs a metric, such as %s", p.evaluationMetric())
	}
	p.Notes = append(p.Notes, "lr_scheduler has no monitor: it is "+p.evaluationMetric())
	metric := p.evaluationMetric()
	p.scheduler.Monitor = &metric
	return nil
}

var errNoData = errors.New("no training batches: limit_train_batches is 0, or the data is too short")

// randomSeed is for configs with seed: null; run.json records it.
func randomSeed() uint64 { return uint64(rand.Uint32()) }
