package data

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// stimuli is what a stimulus reader found: one set of movies for all sessions,
// or one for each.
type stimuli struct {
	all       *movies
	bySession map[string]*movies
}

// of gives the movies that a session saw, nil where there are none.
func (s *stimuli) of(session string) *movies {
	if s.all != nil {
		return s.all
	}
	return s.bySession[session]
}

// movies are the stimuli of an experiment. Mean and std are nil where it is not
// known how they were normalised.
type movies struct {
	train     View
	tests     map[string]View
	mean, std *float64
	// sequences are the orders in which the clips of the training movie were
	// shown; sequences[i][k] is the clip in place k of sequence i. Nil stands
	// for one sequence, in the order of the movie.
	sequences [][]int
}

// recording is what a response reader found for one session.
type recording struct {
	session string
	train   Responses
	tests   map[string]Responses
	repeats map[string][]Responses
	fields  []Field
	mean    []float32 // over training and validation
	hoefling
}

// hoefling is what only recordings of Höfling et al. 2024 have.
type hoefling struct {
	natural   bool // the natural movie was shown
	mirrored  bool // the eye was the left one
	sequence  int  // the order in which the clips were shown
	roiCoords [][2]float32
}

// checkMatch compares what a session saw with what was recorded. With exact, the
// stimuli must be the same and of the same length; without, responses may be
// longer than their movie.
func (r *recording) checkMatch(m *movies, exact bool) error {
	if m == nil {
		return fmt.Errorf("session %s has responses but no stimuli", r.session)
	}
	if err := r.checkLength("training", m.train.Frames(), r.train.Frames, exact); err != nil {
		return err
	}
	for _, name := range sortedKeys(m.tests) {
		responses, ok := r.tests[name]
		if !ok {
			return fmt.Errorf("session %s has no responses to test stimulus %s", r.session, name)
		}
		if err := r.checkLength("test "+name, m.tests[name].Frames(), responses.Frames, exact); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(r.tests) {
		if _, ok := m.tests[name]; !ok {
			return fmt.Errorf("session %s has responses to test stimulus %s, of which there is no movie", r.session, name)
		}
	}
	return nil
}

func (r *recording) checkLength(part string, movie, responses int, exact bool) error {
	if responses < movie || exact && responses != movie {
		return fmt.Errorf("session %s, %s: the movie has %d frames but the responses have %d",
			r.session, part, movie, responses)
	}
	return nil
}

// checkFinite looks for responses that are no numbers.
func (r *recording) checkFinite() error {
	if err := r.train.checkFinite(); err != nil {
		return fmt.Errorf("session %s, training: %w", r.session, err)
	}
	for _, name := range sortedKeys(r.tests) {
		if err := r.tests[name].checkFinite(); err != nil {
			return fmt.Errorf("session %s, test %s: %w", r.session, name, err)
		}
		for i, repeat := range r.repeats[name] {
			if err := repeat.checkFinite(); err != nil {
				return fmt.Errorf("session %s, test %s, repeat %d: %w", r.session, name, i, err)
			}
		}
	}
	return nil
}

// newSession is a session without its splits.
func (r *recording) newSession() *Session {
	return &Session{
		Name: r.session, Neurons: r.train.Neurons, MeanActivity: r.mean, Fields: r.fields, RoiCoords: r.roiCoords,
	}
}

// assemble splits the recordings and describes them.
func (s *Source) assemble(ctx context.Context, found *stimuli, recordings []*recording) (*Dataset, error) {
	slices.SortFunc(recordings, func(a, b *recording) int { return strings.Compare(a.session, b.session) })
	d := &Dataset{Info: Info{Extra: s.extra}}
	stats := normalisation{}
	for i, r := range recordings {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("loading data: %w", context.Cause(ctx))
		}
		m := found.of(r.session)
		if err := r.checkMatch(m, s.match); err != nil {
			return nil, err
		}
		if err := r.checkFinite(); err != nil {
			return nil, err
		}
		shape := [3]int{m.train.colors, m.train.height, m.train.width}
		if i == 0 {
			d.Info.InputShape, d.Info.Behavior = shape, m.train.behavior
		} else if m.train.behavior != d.Info.Behavior {
			return nil, fmt.Errorf("session %s has %d signals of behaviour, session %s has %d; all sessions of a model need the same",
				r.session, m.train.behavior, d.Sessions[0].Name, d.Info.Behavior)
		} else if shape != d.Info.InputShape {
			return nil, fmt.Errorf("session %s has movies of %v (channels, height, width), session %s of %v; "+
				"all sessions of a model need the same", r.session, shape, d.Sessions[0].Name, d.Info.InputShape)
		}
		if err := stats.add(r.session, m); err != nil {
			return nil, err
		}
		session, err := s.arrange.arrange(m, r)
		if err != nil {
			return nil, fmt.Errorf("session %s: %w", r.session, err)
		}
		d.Sessions = append(d.Sessions, session)
		recordings[i] = nil // its responses are copied into the splits
	}
	if len(d.Sessions) == 0 {
		return nil, fmt.Errorf("no session is left in the data")
	}
	d.Info.StimMean, d.Info.StimStd = stats.values()
	return d, nil
}

// normalisation compares how the sessions' movies were normalised.
type normalisation struct {
	mean, std *float64
}

// add takes a session's statistics, which may differ by 1 from the first ones.
func (n *normalisation) add(session string, m *movies) error {
	if n.mean == nil {
		n.mean = m.mean
	}
	if n.std == nil {
		n.std = m.std
	}
	for _, pair := range []struct {
		what      string
		have, now *float64
	}{{"mean", n.mean, m.mean}, {"standard deviation", n.std, m.std}} {
		if pair.have != nil && pair.now != nil && math.Abs(*pair.have-*pair.now) > 1 {
			return fmt.Errorf("the movies of session %s were normalised with %s %v, those before with %v; "+
				"they must agree within 1", session, pair.what, *pair.now, *pair.have)
		}
	}
	return nil
}

// values are the statistics, 0 and 1 where no session says.
func (n *normalisation) values() (mean, std float64) {
	mean, std = 0, 1
	if n.mean != nil {
		mean = *n.mean
	}
	if n.std != nil {
		std = *n.std
	}
	return mean, std
}

// sortedKeys are the keys of a map, sorted.
func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
