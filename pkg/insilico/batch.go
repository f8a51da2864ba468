package insilico

import (
	"math"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/optim"
)

// batch is stimuli that are optimised side by side. Each is a tensor of its own,
// a parameter of the optimizer, so that every clip has its own optimizer state
// and a clip that has ended (and gets no gradient) stays as it is; only the pass
// through the model joins those that run.
type batch struct {
	*run
	targets   []Neurons
	clips     []*torch.Tensor // (1, channels, time, height, width) each
	optimizer optim.Optimizer
	watch     []func(loss float64) (stop bool)
	running   []int // clips that have not ended
	objective objective
	rows      [][]float32 // objective before each step, and after the last
}

// begin makes the clips and works out the readouts; both live in root.
func (b *batch) begin(root *torch.Scope, first int) error {
	shape := toInt64(b.model.StimulusShape(b.settings.Frames))
	for i := range b.targets {
		clip := root.FromFloat32(b.starts.of(first+i), shape...)
		b.clips = append(b.clips, root.RequireGrad(clip, true))
		b.running = append(b.running, i)
		stop := OptimizationStopper{}.Watch()
		if b.settings.Stopper != nil {
			stop = b.settings.Stopper.Watch()
		}
		b.watch = append(b.watch, stop)
	}
	b.rows = make([][]float32, len(b.targets))
	b.optimizer = b.settings.Optimizer(root, b.clips)
	b.objective = objective{model: b.model, reducer: b.settings.Reducer, result: b.result}
	return b.objective.prepare(root, b.settings.Frames, b.targets)
}

// optimize makes steps until all clips have ended. When the run is interrupted
// before that, the unfinished ones are still in running.
func (b *batch) optimize(root *torch.Scope) error {
	for step := range b.settings.Steps() {
		if len(b.running) == 0 || b.soft.Err() != nil {
			return nil
		}
		var losses []float32
		err := root.Inner(func(s *torch.Scope) (err error) {
			losses, err = b.step(s)
			return err
		})
		if err != nil {
			return err
		}
		var still []int
		for i, clip := range b.running {
			if !b.watch[clip](float64(losses[i])) {
				still = append(still, clip)
			}
		}
		b.running = still
		b.tell(step + 1)
	}
	b.running = nil
	return nil
}

// tell reports progress after a step; clips that ended count with all steps.
func (b *batch) tell(step int) {
	steps, finished := b.settings.Steps(), len(b.clips)-len(b.running)
	done := finished*steps + len(b.running)*step
	if step == steps {
		finished = len(b.clips)
	}
	b.report(done, finished)
}

// step moves the clips that run and gives their losses.
func (b *batch) step(s *torch.Scope) (losses []float32, err error) {
	x := b.join(s, b.running)
	score, err := b.objective.values(s, x, b.runningTargets())
	if err != nil {
		return nil, err
	}
	loss := s.Neg(score)
	for _, r := range b.settings.Regularizers {
		loss = s.Add(loss, r.Loss(s, x))
	}
	if err := b.record(s, b.running, score); err != nil {
		return nil, err
	}
	s.ClearGrad(b.clips...)
	s.Backward(s.Sum(loss)) // each clip's gradient is that of its own loss
	b.optimizer.Step(s)
	b.project(s)
	return s.Float32s(loss)
}

// join puts the named clips side by side.
func (b *batch) join(s *torch.Scope, which []int) *torch.Tensor {
	clips := make([]*torch.Tensor, len(which))
	for i, clip := range which {
		clips[i] = b.clips[clip]
	}
	return s.Cat(0, clips...)
}

func (b *batch) runningTargets() []Neurons {
	targets := make([]Neurons, len(b.running))
	for i, clip := range b.running {
		targets[i] = b.targets[clip]
	}
	return targets
}

// project applies the postprocessors to the clips that run.
func (b *batch) project(s *torch.Scope) {
	if len(b.settings.Postprocessors) == 0 {
		return
	}
	defer s.NoGrad()()
	x := process(s, b.join(s, b.running), b.settings.Postprocessors)
	for i, clip := range b.running {
		s.CopyInto(b.clips[clip], s.Narrow(x, 0, int64(i), 1))
	}
}

// record adds the objectives of the named clips to their rows.
func (b *batch) record(s *torch.Scope, which []int, score *torch.Tensor) error {
	values, err := s.Float32s(score)
	if err != nil {
		return err
	}
	for i, clip := range which {
		if v := float64(values[i]); math.IsNaN(v) || math.IsInf(v, 0) {
			return &NonFiniteError{Target: b.targets[clip], Step: len(b.rows[clip]), Value: v}
		}
		b.rows[clip] = append(b.rows[clip], values[i])
	}
	return nil
}

// finish adds the objective after the last step, and all to the result.
func (b *batch) finish(root *torch.Scope) error {
	all := make([]int, len(b.clips))
	for i := range all {
		all[i] = i
	}
	return root.Inner(func(s *torch.Scope) error {
		defer s.NoGrad()()
		x := b.join(s, all)
		score, err := b.objective.values(s, x, b.targets)
		if err != nil {
			return err
		}
		if err := b.record(s, all, score); err != nil {
			return err
		}
		stimuli, err := s.Float32s(x)
		if err != nil {
			return err
		}
		b.progress.Done += len(b.clips) * b.settings.Steps()
		b.progress.Finished += len(b.clips) - len(b.running)
		return b.result.add(b.targets, b.rows, stimuli)
	})
}
