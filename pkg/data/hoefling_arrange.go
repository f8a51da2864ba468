package data

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
)

// sharedMovie splits recordings to one natural movie that each session saw in an
// order of its own, mirrored for left eyes (Python: natmov_dataloaders_v2).
type sharedMovie struct {
	Clips      clipSettings `yaml:",inline"`
	Validation []int        `yaml:"validation_clip_indices,required"`
	NumClips   int          `yaml:"num_clips"`
}

func defaultSharedMovie() sharedMovie {
	return sharedMovie{
		Clips:    clipSettings{TrainClip: 50, Clip: hoeflingClip, Batch: 32, OverBoundaries: true},
		NumClips: hoeflingTrainClips,
	}
}

// Validate refuses settings that cannot work.
func (a *sharedMovie) Validate() error {
	refused := config.Refusals{a.Clips.validate()}
	refused.Unless(len(a.Validation) > 0, "validation_clip_indices", "validation_clip_indices is empty")
	return refused.Err()
}

func (a sharedMovie) build(struct{}) (Arranger, error) { return &a, nil }

func (a *sharedMovie) shared() bool { return true }

func (a *sharedMovie) arrange(m *movies, r *recording) (*Session, error) {
	if !r.natural {
		return nil, fmt.Errorf("only responses to the natural movie can be used here (response_type: natural)")
	}
	if frames := a.NumClips * a.Clips.Clip; m.train.Frames() != frames {
		return nil, fmt.Errorf("the training movie has %d frames, but num_clips %d × clip_length %d = %d",
			m.train.Frames(), a.NumClips, a.Clips.Clip, frames)
	}
	order, err := a.order(m, r)
	if err != nil {
		return nil, err
	}
	train, err := pick(m.train, order, a.Clips.Clip)
	if err != nil {
		return nil, err
	}
	test := m.tests["test"]
	if r.mirrored {
		train, test = train.Mirror(), test.Mirror()
	}
	s := r.newSession()
	if s.Train, s.Validation, err = a.Clips.cut(train, r.train, order, a.Validation); err != nil {
		return nil, err
	}
	return s, a.Clips.addTest(s, "test", test, r, test.Frames())
}

// order is the order in which the session saw the clips.
func (a *sharedMovie) order(m *movies, r *recording) ([]int, error) {
	if m.sequences == nil {
		return upTo(a.NumClips), nil
	}
	if r.sequence < 0 || r.sequence >= len(m.sequences) {
		return nil, fmt.Errorf("scan_sequence_idx is %d, but the movies have %d random_sequences", r.sequence, len(m.sequences))
	}
	order := m.sequences[r.sequence]
	if len(order) != a.NumClips {
		return nil, fmt.Errorf("random_sequences are of %d clips, num_clips is %d", len(order), a.NumClips)
	}
	return order, nil
}
