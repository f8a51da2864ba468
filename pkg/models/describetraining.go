package models

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

func describeTraining(c *checkpoint.Checkpoint, hyper *pickle.Dict) (*DescribedTraining, error) {
	if c.LightningVersion == "" {
		return nil, nil
	}
	t := &DescribedTraining{Epoch: c.Epoch, GlobalStep: c.GlobalStep}
	if c.Callbacks != nil {
		t.Callbacks = c.Callbacks.Keys()
	}
	if c.Extra != nil {
		_, t.Resumable = c.Extra.Get(checkpoint.ResumeKey)
	}
	var err error
	if t.Optimizer, err = rawJSON(describeOptimizer(c, hyper)); err != nil {
		return nil, fmt.Errorf("optimizer_states: %w", err)
	}
	if t.Schedule, err = rawJSON(describeSchedule(c, hyper)); err != nil {
		return nil, fmt.Errorf("lr_schedulers: %w", err)
	}
	return t, nil
}

// describeOptimizer has the settings of the first group of parameters; the class is
// the config's, else what the state tells.
func describeOptimizer(c *checkpoint.Checkpoint, hyper *pickle.Dict) *pickle.Dict {
	if len(c.OptimizerStates) == 0 {
		return nil
	}
	state, _ := c.OptimizerStates[0].(*pickle.Dict)
	if state == nil {
		return nil
	}
	groups, _ := entry[[]any](state, "param_groups")
	if len(groups) == 0 {
		return nil
	}
	group, _ := groups[0].(*pickle.Dict)
	if group == nil {
		return nil
	}
	described := pickle.NewDict(config.TargetKey, optimizerClass(hyper, group))
	for _, key := range group.Keys() {
		v, _ := group.Get(key)
		if key != "params" && v != nil && v != false {
			described.SetString(key, v)
		}
	}
	return described
}

func optimizerClass(hyper, group *pickle.Dict) string {
	if name := partClass(hyper, "optimizer"); name != "" {
		return name
	}
	if _, ok := group.Get("momentum"); ok {
		return "torch.optim.SGD"
	}
	if decoupled, _ := entry[bool](group, "decoupled_weight_decay"); decoupled {
		return "torch.optim.AdamW"
	}
	if _, ok := group.Get("betas"); ok {
		return "torch.optim.Adam"
	}
	return ""
}

func describeSchedule(c *checkpoint.Checkpoint, hyper *pickle.Dict) *pickle.Dict {
	if len(c.LRSchedulers) == 0 {
		return nil
	}
	state, _ := c.LRSchedulers[0].(*pickle.Dict)
	if state == nil {
		return nil
	}
	class := partClass(hyper, "lr_scheduler")
	if _, plateau := state.Get("num_bad_epochs"); class == "" && plateau {
		class = "torch.optim.lr_scheduler.ReduceLROnPlateau"
	}
	described := pickle.NewDict(config.TargetKey, class)
	for _, key := range state.Keys() {
		if v, _ := state.Get(key); v != nil && v != false {
			described.SetString(key, v)
		}
	}
	return described
}
