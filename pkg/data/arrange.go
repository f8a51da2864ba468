package data

import (
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data/pyrand"
)

// clipSettings are the settings that both dataloaders share, under the names of
// the Python package.
type clipSettings struct {
	// TrainClip is the length of a training clip and Clip that of a scene of
	// the movie, of which whole ones are taken for validation; in frames.
	TrainClip int `yaml:"train_chunk_size"`
	Clip      int `yaml:"clip_length"`
	Batch     int `yaml:"batch_size"`
	// OverBoundaries lets training clips run from one scene into the next, and
	// a test movie be one clip.
	OverBoundaries bool `yaml:"allow_over_boundaries"`
}

// validate refuses sizes that are not positive.
func (c *clipSettings) validate() error {
	var refused config.Refusals
	for _, size := range []struct {
		key   string
		value int
	}{
		{"train_chunk_size", c.TrainClip},
		{"clip_length", c.Clip},
		{"batch_size", c.Batch},
	} {
		refused.Unless(size.value >= 1, size.key, "%s is %d, but must be positive", size.key, size.value)
	}
	return refused.Err()
}

// split puts a movie and its responses together; responses beyond the movie's
// end are cut off.
func (c *clipSettings) split(movie View, r Responses, clip, batch int, starts []int) Split {
	return Split{
		Movie: movie, Responses: r.Slice(0, movie.Frames()), batch: batch,
		sampler: Sampler{
			Starts: starts, ClipFrames: clip, MovieFrames: movie.Frames(), SceneFrames: c.Clip,
			OverBoundaries: c.OverBoundaries,
		},
	}
}

// train is the training split: clips every TrainClip frames, moved at random
// unless they are whole scenes.
func (c *clipSettings) train(movie View, r Responses) (Split, error) {
	split := c.split(movie, r, c.TrainClip, c.Batch, startsEvery(c.TrainClip, movie.Frames()))
	split.sampler.Random = c.TrainClip != c.Clip
	if err := split.sampler.check(); err != nil {
		return Split{}, fmt.Errorf("training: %w", err)
	}
	return split, nil
}

// validation is the validation split: whole scenes.
func (c *clipSettings) validation(movie View, r Responses) Split {
	return c.split(movie, r, c.Clip, c.Batch, startsEvery(c.Clip, movie.Frames()))
}

// addTest adds a test split in clips of the given length. As many are in a batch
// as take the memory of a batch of training clips, at least one.
func (c *clipSettings) addTest(s *Session, name string, movie View, r *recording, clip int) error {
	clip = min(clip, movie.Frames())
	if clip < 1 {
		return fmt.Errorf("the movie of test stimulus %s has no frames", name)
	}
	batch := c.Batch
	if clip > c.TrainClip {
		batch = max(1, c.Batch*c.TrainClip/clip)
	}
	split := c.split(movie, r.tests[name], clip, batch, startsEvery(clip, movie.Frames()))
	for _, repeat := range r.repeats[name] {
		split.Repeats = append(split.Repeats, repeat.Slice(0, movie.Frames()))
	}
	s.Tests = append(s.Tests, Test{Name: name, Split: split})
	return nil
}

// cut takes the validation clips out of a movie and its responses. The movie and
// the responses are in the same order of clips; order[i] is the clip in place i.
func (c *clipSettings) cut(movie View, r Responses, clips, validation []int) (train, val Split, err error) {
	places := make([]int, len(validation))
	for i, clip := range validation {
		if places[i] = slices.Index(clips, clip); places[i] < 0 {
			return train, val, fmt.Errorf("validation clip %d is not among the %d clips of the movie", clip, len(clips))
		}
		if slices.Contains(validation[:i], clip) {
			return train, val, fmt.Errorf("validation clip %d is given twice", clip)
		}
	}
	var rest []int
	for place := range clips {
		if !slices.Contains(places, place) {
			rest = append(rest, place)
		}
	}
	trainMovie, err := pick(movie, rest, c.Clip)
	if err != nil {
		return train, val, fmt.Errorf("no clip is left for training: %d of %d are for validation", len(places), len(clips))
	}
	valMovie, err := pick(movie, places, c.Clip)
	if err != nil {
		return train, val, fmt.Errorf("no clip is left for validation")
	}
	train, err = c.train(trainMovie, r.gather(rest, c.Clip))
	return train, c.validation(valMovie, r.gather(places, c.Clip)), err
}

// pick joins the clips in the given places of a movie.
func pick(movie View, places []int, length int) (View, error) {
	parts := make([]View, len(places))
	for i, place := range places {
		parts[i] = movie.Slice(place*length, (place+1)*length)
	}
	return Concat(parts...)
}

// movieEach splits recordings whose sessions may each have their own movies
// (Python: multiple_movies_dataloaders).
type movieEach struct {
	Clips      clipSettings `yaml:",inline"`
	Seed       int          `yaml:"seed"`
	NumVal     int          `yaml:"num_val_clips"`
	Validation []int        `yaml:"val_clip_indices"`
}

func defaultMovieEach() movieEach {
	return movieEach{
		Clips: clipSettings{TrainClip: 50, Clip: 100, Batch: 32, OverBoundaries: true}, Seed: 42, NumVal: 10,
	}
}

// Validate refuses settings that cannot work.
func (a *movieEach) Validate() error {
	refused := config.Refusals{a.Clips.validate()}
	refused.Unless(a.Seed >= 0 && a.Seed <= 1<<32-1, "seed", "seed is %d, but must be between 0 and 2^32 - 1", a.Seed)
	refused.Unless(a.Validation != nil || a.NumVal >= 1, "num_val_clips", "num_val_clips is %d, but must be positive", a.NumVal)
	return refused.Err()
}

func (a movieEach) build(struct{}) (Arranger, error) { return &a, nil }

func (a *movieEach) shared() bool { return false }

func (a *movieEach) arrange(m *movies, r *recording) (*Session, error) {
	clips := upTo(m.train.Frames() / a.Clips.Clip)
	validation := a.Validation
	if validation == nil {
		if a.NumVal >= len(clips) {
			return nil, fmt.Errorf("the training movie has %d clips of %d frames, num_val_clips is %d",
				len(clips), a.Clips.Clip, a.NumVal)
		}
		validation = pyrand.NewNumPy(uint32(a.Seed)).Choice(len(clips), a.NumVal)
	}
	s := r.newSession()
	var err error
	if s.Train, s.Validation, err = a.Clips.cut(m.train, r.train, clips, validation); err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(m.tests) {
		clip := a.Clips.Clip
		if a.Clips.OverBoundaries {
			clip = m.tests[name].Frames()
		}
		if err := a.Clips.addTest(s, name, m.tests[name], r, clip); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// upTo is 0 to n-1.
func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}
