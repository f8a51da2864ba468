package models

import (
	"errors"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// shiftedReadouts makes readouts that are moved by the behaviour of their sessions.
func shiftedReadouts(inner ReadoutBuilder, shifters ShifterBuilder, signals int64, at nn.Path) ReadoutBuilder {
	return func(p nn.Path, session Session) (Readout, error) {
		readout, err := inner(p, session)
		if err != nil {
			return nil, err
		}
		shifter, err := shifters(at.Sub(session.Name), signals)
		return &shiftedReadout{Readout: readout, shifter: shifter, signals: signals}, errors.Join(err, at.Err())
	}
}

// shiftedReadout is any readout whose positions move with the behaviour: it looks at
// features that were moved the other way. It takes features followed by signals, as a
// behaviorCore gives them.
type shiftedReadout struct {
	Readout
	shifter shifter
	signals int64
}

func (r *shiftedReadout) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	moved := r.shift(s, features)
	defer s.Free(moved) // as large as the features
	return r.Readout.Forward(s, moved)
}

// Regularizer adds the shifter's penalty.
func (r *shiftedReadout) Regularizer(s *torch.Scope) *torch.Tensor {
	return s.Add(r.Readout.Regularizer(s), r.shifter.Regularizer(s))
}

// shift gives the features without the signals, each frame read at places moved by
// its shift: bilinear between positions, zero outside.
func (r *shiftedReadout) shift(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	batch, channels, frames := s.Dim(x, 0), s.Dim(x, 1)-r.signals, s.Dim(x, 2)
	height, width := s.Dim(x, 3), s.Dim(x, 4)
	signals := s.Narrow(s.Narrow(s.Narrow(x, 1, channels, r.signals), 3, 0, 1), 4, 0, 1)
	signals = s.Reshape(s.Permute(s.Reshape(signals, batch, r.signals, frames), 0, 2, 1), batch*frames, r.signals)
	shifts := s.Reshape(r.shifter.Forward(s, signals), batch*frames, 1, 1, 2)
	images := s.Reshape(s.Permute(s.Narrow(x, 1, 0, channels), 0, 2, 1, 3, 4), batch*frames, channels, height, width)
	moved := s.GridSample(images, s.Add(wholeGrid(s, height, width), shifts), true)
	s.Free(images)
	defer s.Free(moved) // a view of it is what is given
	return s.Permute(s.Reshape(moved, batch, frames, channels, height, width), 0, 2, 1, 3, 4)
}

// wholeGrid are the places (1, height, width, 2) of all pixels, as (x, y) from -1 to 1.
func wholeGrid(s *torch.Scope, height, width int64) *torch.Tensor {
	axis := func(n int64) *torch.Tensor {
		if n == 1 {
			return s.Zeros(1)
		}
		return s.Linspace(-1, 1, n)
	}
	columns := s.Expand(s.Reshape(axis(width), 1, width), height, width)
	rows := s.Expand(s.Reshape(axis(height), height, 1), height, width)
	return s.Reshape(s.Stack(2, columns, rows), 1, height, width, 2)
}

// Fixed keeps the shifter as it is: it depends on the stimulus.
func (r *shiftedReadout) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	return &fixedShifted{r.Readout.Fixed(s, neurons), r}
}

func (r *shiftedReadout) class() string { return className(r.Readout) }

// readoutAs is what a readout can do besides; a shifted one can what the one inside can.
func readoutAs[T any](r Readout) (T, bool) {
	if s, ok := r.(*shiftedReadout); ok {
		r = s.Readout
	}
	t, ok := r.(T)
	return t, ok
}

// fixedShifted is a FixedReadout of moved features.
type fixedShifted struct {
	inner FixedReadout
	of    *shiftedReadout
}

func (f *fixedShifted) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	moved := f.of.shift(s, features)
	defer s.Free(moved)
	return f.inner.Forward(s, moved)
}

func (f *fixedShifted) Pairs(s *torch.Scope, features *torch.Tensor, clips, neurons []int64) *torch.Tensor {
	moved := f.of.shift(s, features)
	defer s.Free(moved)
	return f.inner.Pairs(s, moved, clips, neurons)
}

func (f *fixedShifted) Keep(s *torch.Scope) FixedReadout { return &fixedShifted{f.inner.Keep(s), f.of} }
