package train

import (
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
)

// This file makes the parts of a Lightning checkpoint in Lightning's own form.

// optimizerTree is Optimizer.state_dict().
func optimizerTree(o optim.Optimizer) (*pickle.Dict, error) {
	state, err := o.State()
	if err != nil {
		return nil, err
	}
	params, order := pickle.NewDict(), make([]any, len(state.Params))
	for i, p := range state.Params {
		order[i] = int64(i)
		if p == nil {
			continue
		}
		entry := pickle.NewDict()
		for _, a := range p.Arrays {
			entry.SetString(a.Name, &checkpoint.Tensor{Array: a.Array})
		}
		if err := params.Set(int64(i), entry); err != nil {
			return nil, err
		}
	}
	group := groupTree(state.Group)
	group.SetString("params", order)
	return pickle.NewDict("state", params, "param_groups", []any{group}), nil
}

// optimizerState is the inverse of optimizerTree, for parameters that have these numbers
// in it.
func optimizerState(tree any, numbers []int) *optim.State {
	state := &optim.State{Params: make([]*optim.ParamState, len(numbers))}
	d, ok := tree.(*pickle.Dict)
	if !ok {
		return state
	}
	params, _ := get[*pickle.Dict](d, "state")
	for i, number := range numbers {
		if params == nil {
			break
		}
		raw, ok := params.Get(int64(number))
		entry, isDict := raw.(*pickle.Dict)
		if !ok || !isDict {
			continue
		}
		p := &optim.ParamState{}
		for j := range entry.Len() {
			key, value := entry.At(j)
			name, _ := key.(string)
			if a, ok := checkpoint.Array(value); ok {
				p.Arrays = append(p.Arrays, ndarray.Named{Name: name, Array: a})
			} else if v, ok := value.(float64); ok { // "step" of files by older PyTorch
				if a, err := ndarray.FromFloat64([]float64{v}); err == nil {
					p.Arrays = append(p.Arrays, ndarray.Named{Name: name, Array: a})
				}
			}
		}
		state.Params[i] = p
	}
	if groups, ok := get[[]any](d, "param_groups"); ok && len(groups) > 0 {
		group, _ := groups[0].(*pickle.Dict)
		for _, s := range groupOf(group) {
			if s.Name != "params" {
				state.Group = append(state.Group, s)
			}
		}
	}
	return state
}

// numbersIn are the numbers that a file's optimizer state gives the parameters of a
// model. PyTorch numbers them in the order of the file's tensors: that of the sessions
// need not be ours.
func numbersIn(names []string, store *nn.Store) []int {
	number := map[string]int{}
	for _, name := range names {
		if e, ok := store.Lookup(name); ok && e.Parameter {
			number[name] = len(number)
		}
	}
	numbers := make([]int, 0, len(number))
	for _, e := range store.Entries() {
		if !e.Parameter {
			continue
		}
		n, ok := number[e.Name]
		if !ok { // an older name: as many parameters, in our order
			return counted(len(store.Parameters()))
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// counted are the numbers from 0 to n-1.
func counted(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// groupTree is a state as Python's dict.
func groupTree(g optim.Group) *pickle.Dict {
	d := pickle.NewDict()
	for _, s := range g {
		d.SetString(s.Name, settingTree(s.Value))
	}
	return d
}

func settingTree(value any) any {
	switch v := value.(type) {
	case int:
		return int64(v)
	case [2]float64:
		return pickle.Tuple{v[0], v[1]}
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = settingTree(item)
		}
		return list
	case optim.Group:
		return groupTree(v)
	case optim.Counter:
		d := &pickle.Dict{Class: pickle.Counter}
		for _, c := range v {
			_ = d.Set(int64(c.Number), int64(c.Times)) // numbers are keys
		}
		return d
	}
	return value
}

// groupOf is the inverse of groupTree; what a state cannot hold stays as it is. nil
// has no entries.
func groupOf(d *pickle.Dict) (g optim.Group) {
	if d == nil {
		return nil
	}
	for i := range d.Len() {
		key, value := d.At(i)
		if name, ok := key.(string); ok {
			g = append(g, optim.Setting{Name: name, Value: settingOf(value)})
		}
	}
	return g
}

func settingOf(value any) any {
	switch v := value.(type) {
	case int64:
		return int(v)
	case pickle.Tuple:
		if len(v) == 2 {
			a, ok1 := v[0].(float64)
			b, ok2 := v[1].(float64)
			if ok1 && ok2 {
				return [2]float64{a, b}
			}
		}
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = settingOf(item)
		}
		return list
	case *pickle.Dict:
		if v.Class == pickle.Counter {
			return counterOf(v)
		}
		return groupOf(v)
	}
	return value
}

func counterOf(d *pickle.Dict) any {
	var c optim.Counter
	for i := range d.Len() {
		key, value := d.At(i)
		number, ok1 := key.(int64)
		times, ok2 := value.(int64)
		if !ok1 || !ok2 {
			return d
		}
		c = append(c, optim.Count{Number: int(number), Times: int(times)})
	}
	return c
}

func get[T any](d *pickle.Dict, key string) (value T, ok bool) {
	raw, found := d.Get(key)
	if !found {
		return value, false
	}
	value, ok = raw.(T)
	return value, ok
}

// tree is what Lightning's callbacks save, under their state keys.
func (c *callbacks) tree() *pickle.Dict {
	d := pickle.NewDict()
	for _, e := range c.early {
		d.SetString(e.stateKey(), e.tree())
	}
	for _, m := range c.checkpoints {
		d.SetString(m.stateKey(), m.tree())
	}
	return d
}

func (e *earlyStopping) tree() *pickle.Dict {
	var message any
	if e.Message != "" {
		message = e.Message
	}
	return pickle.NewDict("wait_count", int64(e.Wait), "stopped_epoch", int64(e.StoppedEpoch), "best_score", scalar(float64(e.Best)),
		"patience", int64(e.Patience), "stopping_reason", int64(e.Reason), "stopping_reason_message", message)
}

func (c *modelCheckpoint) tree() *pickle.Dict {
	var monitor, bestScore, currentScore any
	if c.Monitor != nil {
		monitor = *c.Monitor
	}
	best, kth := pickle.NewDict(), worst(c.Mode)
	for _, m := range c.Best {
		score := scalar(float64(m.Score))
		best.SetString(m.Path, score)
		currentScore = score
		if m.Path == c.BestPath {
			bestScore = score
		}
		if m.Path == c.KthPath {
			kth = float64(m.Score)
		}
	}
	return pickle.NewDict("monitor", monitor, "best_model_score", bestScore, "best_model_path", c.BestPath,
		"current_score", currentScore, "dirpath", c.dir, "best_k_models", best, "kth_best_model_path", c.KthPath,
		"kth_value", scalar(kth), "last_model_path", c.LastPath)
}

// scalar is a tensor without dimensions.
func scalar(v float64) *checkpoint.Tensor {
	a, _ := ndarray.FromFloat32([]float32{float32(v)}) // one value fills a scalar
	return &checkpoint.Tensor{Array: a}
}

// loopsTree is the progress of Lightning's loops after epochs epochs of which
// batches steps were made, so that its Trainer can go on from the next epoch.
func loopsTree(epochs, steps, batches, valBatches int) *pickle.Dict {
	counts := func(n int, names ...string) *pickle.Dict {
		d := pickle.NewDict()
		for _, name := range names {
			d.SetString(name, int64(n))
		}
		return d
	}
	four := []string{"ready", "completed", "started", "processed"}
	progress := func(total, current int, names ...string) *pickle.Dict {
		return pickle.NewDict("total", counts(total, names...), "current", counts(current, names...))
	}
	batch := func(total, current int, last bool) *pickle.Dict {
		return pickle.NewDict("total", counts(total, four...), "current", counts(current, four...), "is_last_batch", last)
	}
	empty := pickle.NewDict
	fit := pickle.NewDict(
		"state_dict", empty(),
		"epoch_loop.state_dict", pickle.NewDict("_batches_that_stepped", int64(steps)),
		"epoch_loop.batch_progress", batch(steps, batches, true),
		"epoch_loop.scheduler_progress", progress(0, 0, "ready", "completed"),
		"epoch_loop.automatic_optimization.state_dict", empty(),
		"epoch_loop.automatic_optimization.optim_progress", pickle.NewDict("optimizer", pickle.NewDict(
			"step", progress(steps, batches, "ready", "completed"),
			"zero_grad", progress(steps, batches, "ready", "completed", "started"))),
		"epoch_loop.manual_optimization.state_dict", empty(),
		"epoch_loop.manual_optimization.optim_step_progress", progress(0, 0, "ready", "completed"),
		"epoch_loop.val_loop.state_dict", empty(),
		"epoch_loop.val_loop.batch_progress", batch(valBatches*epochs, valBatches, true),
		"epoch_progress", pickle.NewDict("total", epochCounts(epochs), "current", epochCounts(epochs)))
	other := func() *pickle.Dict {
		return pickle.NewDict("state_dict", empty(), "batch_progress", batch(0, 0, false))
	}
	return pickle.NewDict("fit_loop", fit, "validate_loop", other(), "test_loop", other(),
		"predict_loop", pickle.NewDict("state_dict", empty(), "batch_progress", progress(0, 0, four...)))
}

// epochCounts are those of a checkpoint at the end of an epoch, which Lightning
// writes before it counts the epoch as completed.
func epochCounts(epochs int) *pickle.Dict {
	n := int64(epochs)
	return pickle.NewDict("ready", n, "completed", max(n-1, 0), "started", n, "processed", n)
}
