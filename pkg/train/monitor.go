package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/models"
)

// monitor is a part of the config that looks at a metric.
type monitor struct {
	node         *config.Node
	metric, mode string
	// strict tells that the metric has to be there.
	strict bool
}

// checkMonitors refuses metrics that are never logged, and directions that contradict
// the metric: a loss is better when it is lower, a correlation when it is higher.
func (p *Plan) checkMonitors() error {
	if p.scheduler == nil {
		return nil // what is wrong with the model has been told
	}
	var problems config.Problems
	for _, m := range p.monitors() {
		problems.AddAt(m.node, p.checkMonitor(m))
	}
	return problems.Err()
}

func (p *Plan) monitors() (list []monitor) {
	n, _ := p.cfg.Root.Select("model.lr_scheduler") // told by readScheduler
	if n != nil && n.Kind() == config.Map && p.scheduler.Mode != "" {
		list = append(list, monitor{n, orElse(p.scheduler.Monitor, ""), p.scheduler.Mode, p.scheduler.Strict})
	}
	n, _ = p.section("training_callbacks") // told by readCallbacks
	if n == nil {
		return list
	}
	for _, c := range n.Fields() {
		settings := struct {
			monitor string
			mode    string
			strict  bool
		}{mode: "min", strict: true}
		for key, to := range map[string]any{"monitor": &settings.monitor, "mode": &settings.mode, "strict": &settings.strict} {
			if at, ok := c.Get(key); ok {
				_ = at.Decode(to) // told by readCallbacks
			}
		}
		if settings.monitor != "" {
			list = append(list, monitor{c, settings.monitor, settings.mode, settings.strict})
		}
	}
	return list
}

func (p *Plan) checkMonitor(m monitor) error {
	logged := p.loggedMetrics()
	if !slices.Contains(logged, m.metric) && !strings.HasPrefix(m.metric, gradientPrefix) {
		if !m.strict {
			return nil
		}
		hint := "logged are " + strings.Join(logged, ", ")
		if near, ok := config.Nearest(m.metric, logged); ok {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return config.Refuse("monitor", "monitor: %q is not logged (%s)", m.metric, hint)
	}
	if p.isOfValidation(m.metric) && p.trainer.LimitValBatches != nil && !p.trainer.LimitValBatches.some() && m.strict {
		return config.Refuse("monitor", "monitor: %s needs a validation, but trainer.limit_val_batches is 0", m.metric)
	}
	better := p.direction(m.metric)
	if (m.mode != "min" && m.mode != "max") || better == "" || better == m.mode {
		return nil
	}
	word := map[string]string{"min": "lower", "max": "higher"}[better]
	return config.Refuse("mode", "mode: %s contradicts the metric, since %s is better when it is %s: set mode to %s",
		m.mode, m.metric, word, better)
}

// loggedMetrics are the names of all that is logged while training, but the norms of
// gradients; epoch and step count as such.
func (p *Plan) loggedMetrics() []string {
	names := p.validationMetrics()
	for _, m := range p.conventions.Train {
		names = append(names, m.Name)
	}
	lr := p.learningRateName()
	return append(names, lr, lr+"-momentum", lr+"-weight_decay", "epoch", "step")
}

func (p *Plan) isOfValidation(metric string) bool {
	return slices.Contains(p.validationMetrics(), metric)
}

// direction is min or max, whichever values of a metric are better; empty where neither
// is.
func (p *Plan) direction(metric string) string {
	if metric == meanLossMetric {
		return "min"
	}
	model, err := p.cfg.Root.Select("model")
	if err != nil || model == nil {
		return ""
	}
	for _, m := range slices.Concat(p.conventions.Train, p.conventions.Validation) {
		if m.Name == metric {
			return models.Direction(model, m.Quantity)
		}
	}
	return ""
}

// checkMode refuses a mode that is none; what has it.
func checkMode(what, mode string) error {
	if mode != "min" && mode != "max" {
		return config.Refuse("mode", "%s: mode %q is neither min nor max", what, mode)
	}
	return nil
}

// worst is the value that any other is better than.
func worst(mode string) float64 {
	if mode == "min" {
		return math.Inf(1)
	}
	return math.Inf(-1)
}

func opposite(mode string) string {
	if mode == "min" {
		return "max"
	}
	return "min"
}

func better(mode string, a, b float64) bool {
	if mode == "min" {
		return a < b
	}
	return a > b
}

// unknownMetric is the error of a part of the config, what, whose metric is not there.
func unknownMetric(what, name string, metrics []metric) error {
	known := make([]string, len(metrics))
	for i, m := range metrics {
		known[i] = m.name
	}
	return fmt.Errorf("%s monitors %q, which is not logged; logged are %v", what, name, known)
}
