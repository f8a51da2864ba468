package data

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-retina/openretina-go/pkg/data/pyrand"
)

// chunking is testdata/chunking/expected.json: what the Python package's
// samplers, cyclers and dataloaders did with movies whose pixels are frame
// numbers.
type chunking struct {
	Samplers []struct {
		Split          string
		OverBoundaries bool   `json:"allow_over_boundaries"`
		Chunk          int    `json:"chunk_size"`
		Scene          int    `json:"scene_length"`
		Frames         int    `json:"movie_length"`
		Batch          int    `json:"batch_size"`
		Seed           uint32 `json:"numpy_seed"`
		Draws          recordedDraws
		Firsts         [][]float64 `json:"first_frame_of_each_sample"`
	}
	Shifts []struct {
		Bounds, Starts, Draws, Shifted []int
		Chunk                          int
	} `json:"shifts_with_boundaries"`
	Cyclers struct {
		Frames  map[string]int     `json:"frames_per_session"`
		Len     int                `json:"len"`
		BySeed  map[string][][]any `json:"long_cycler_by_python_seed"`
		InOrder [][]any            `json:"short_cycler"`
		_       struct{}
	}
	Multiple map[string]struct {
		TrainMovie      []float64 `json:"train_movie_frames"`
		Train           []float64 `json:"train_frames"`
		ValidationMovie []float64 `json:"validation_movie_frames"`
		Validation      []float64 `json:"validation_frames"`
		TestBatch       int       `json:"test_batch_size"`
		TestBatches     [][]int   `json:"test_batches"`
	} `json:"multiple_movies_dataloaders"`
	Sequences struct {
		Random     [][]int              `json:"random_sequences"`
		Validation []int                `json:"validation"`
		First      map[string][]float64 `json:"first_frames_right"`
		Left       []float32            `json:"first_pixels_left_is_mirrored"`
		Right      []float32            `json:"first_pixels_right"`
	} `json:"apply_random_sequences"`
}

// recordedDraws gives back draws that were recorded.
type recordedDraws struct{ Randint, Permutation []int }

func (d recordedDraws) draws() Draws { return givenDraws{d} }

type givenDraws struct{ recorded recordedDraws }

func (g givenDraws) Randint(_, n int) []int  { return append([]int{}, g.recorded.Randint[:n]...) }
func (g givenDraws) Permutation(n int) []int { return append([]int{}, g.recorded.Permutation[:n]...) }

func readChunking(t *testing.T) chunking {
	t.Helper()
	var c chunking
	readJSON(t, "testdata/chunking/expected.json", &c)
	return c
}

func TestSamplers(t *testing.T) {
	for _, want := range readChunking(t).Samplers {
		name := want.Split
		if want.OverBoundaries {
			name += " over boundaries"
		}
		t.Run(name, func(t *testing.T) {
			interval := want.Scene
			switch {
			case want.Split == "train":
				interval = want.Chunk
			case want.Split == "test" && want.OverBoundaries:
				interval = want.Frames
			}
			s := Sampler{
				Starts: startsEvery(interval, want.Frames), ClipFrames: want.Chunk, MovieFrames: want.Frames,
				SceneFrames: want.Scene, OverBoundaries: want.OverBoundaries,
				Random: want.Split == "train" && want.Chunk != want.Scene,
			}
			if err := s.check(); err != nil {
				t.Fatal(err)
			}
			var firsts []int
			for _, batch := range want.Firsts {
				for _, first := range batch {
					firsts = append(firsts, int(first))
				}
			}
			got := s.Epoch(want.Draws.draws())[:len(firsts)]
			if diff := cmp.Diff(firsts, got); diff != "" {
				t.Error("recorded draws:", diff)
			}
			got = s.Epoch(pyrand.NewNumPy(want.Seed))[:len(firsts)]
			if diff := cmp.Diff(firsts, got); diff != "" {
				t.Error("seeded draws:", diff)
			}
		})
	}
}

func TestShiftsInsideScenes(t *testing.T) {
	for _, want := range readChunking(t).Shifts {
		s := Sampler{
			Starts: want.Starts, ClipFrames: want.Chunk,
			SceneFrames: want.Bounds[1], MovieFrames: want.Bounds[len(want.Bounds)-1],
		}
		got := s.shiftInScenes(givenDraws{recordedDraws{Randint: want.Draws}})
		if diff := cmp.Diff(want.Shifted, got); diff != "" {
			t.Errorf("scenes %v: %s", want.Bounds, diff)
		}
	}
}

// frameSession is a session whose movie and responses are frame numbers.
func frameSession(name string, frames int, split func(View, Responses) Split) *Session {
	r := newResponses(frames, 2)
	for i := range r.Data {
		r.Data[i] = float32(i / 2)
	}
	s := &Session{Name: name, Neurons: 2, Train: split(numbered(1, frames, 1, 2).View(), r)}
	s.Validation = s.Train
	return s
}

// visits are the sessions and first frames of batches.
func visits(batches []Batch) [][]any {
	out := [][]any{}
	for _, b := range batches {
		firsts := []any{}
		for i := range b.Clips {
			firsts = append(firsts, float64(b.Targets[i*b.Frames*b.Neurons]))
		}
		out = append(out, []any{b.Session, firsts})
	}
	return out
}

func TestCyclers(t *testing.T) {
	want := readChunking(t).Cyclers
	settings := clipSettings{TrainClip: 12, Clip: 12, Batch: 2, OverBoundaries: true}
	d := &Dataset{}
	for _, name := range sortedKeys(want.Frames) {
		d.Sessions = append(d.Sessions, frameSession(name, want.Frames[name], func(v View, r Responses) Split {
			split, err := settings.train(v, r)
			if err != nil {
				t.Fatal(err)
			}
			return split
		}))
	}
	for seed, text := range map[uint32]string{0: "0", 1: "1", 2: "2", 3: "3"} {
		l, err := d.TrainLoader(seed)
		if err != nil {
			t.Fatal(err)
		}
		if l.Batches() != want.Len {
			t.Errorf("%d batches an epoch, want %d", l.Batches(), want.Len)
		}
		if diff := cmp.Diff(want.BySeed[text], visits(epoch(t, l))); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
	l, err := d.ValidationLoader()
	if err != nil {
		t.Fatal(err)
	}
	inOrder := slices.DeleteFunc(epoch(t, l), func(b Batch) bool { return b.Clips < 2 }) // the fixture's loaders drop those
	if diff := cmp.Diff(want.InOrder, visits(inOrder)); diff != "" {
		t.Error("in order:", diff)
	}
}

// TestMovieEach compares the splits of the chunking fixture: a movie of 9 clips
// of 12 frames, and a test movie of 24.
func TestMovieEach(t *testing.T) {
	for name, want := range readChunking(t).Multiple {
		t.Run(name, func(t *testing.T) {
			arrange := movieEach{
				Clips: clipSettings{TrainClip: 5, Clip: 12, Batch: 2, OverBoundaries: strings.HasSuffix(name, "True")},
				Seed:  42, NumVal: 2,
			}
			if strings.HasPrefix(name, "given") {
				arrange.Validation = []int{8, 2}
			}
			full := frameSession("a", 108, func(v View, r Responses) Split { return Split{Movie: v, Responses: r} })
			test := frameSession("a", 24, func(v View, r Responses) Split { return Split{Movie: v, Responses: r} })
			m := &movies{train: full.Train.Movie, tests: map[string]View{"test": test.Train.Movie}}
			r := &recording{session: "a", train: full.Train.Responses, tests: map[string]Responses{"test": test.Train.Responses}}
			s, err := arrange.arrange(m, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []struct {
				name     string
				split    Split
				movie, r []float64
			}{
				{"train", s.Train, want.TrainMovie, want.Train},
				{"validation", s.Validation, want.ValidationMovie, want.Validation},
			} {
				var movie, responses []float64
				for frame, number := range frameNumbers(part.split.Movie) {
					movie = append(movie, float64(number))
					responses = append(responses, float64(part.split.Responses.At(frame, 1)))
				}
				if diff := cmp.Diff(part.movie, movie); diff != "" {
					t.Errorf("%s movie: %s", part.name, diff)
				}
				if diff := cmp.Diff(part.r, responses); diff != "" {
					t.Errorf("%s responses: %s", part.name, diff)
				}
			}
			if s.Tests[0].batch != want.TestBatch {
				t.Errorf("test batches of %d, want %d", s.Tests[0].batch, want.TestBatch)
			}
			l, err := (&Dataset{Sessions: []*Session{s}}).TestLoader("test")
			if err != nil {
				t.Fatal(err)
			}
			var lengths []int
			for _, b := range epoch(t, l) {
				lengths = append(lengths, b.Frames)
			}
			var wantLengths []int
			for _, shape := range want.TestBatches {
				wantLengths = append(wantLengths, shape[2])
			}
			if diff := cmp.Diff(wantLengths, lengths); diff != "" {
				t.Error("test batches:", diff)
			}
		})
	}
}

// TestSequences compares the reordering of a movie of 9 clips of 12 frames with
// what apply_random_sequences did.
func TestSequences(t *testing.T) {
	want := readChunking(t).Sequences
	sequences := make([][]int, len(want.Random[0]))
	for _, row := range want.Random {
		for i, clip := range row {
			sequences[i] = append(sequences[i], clip)
		}
	}
	arrange := sharedMovie{
		Clips: clipSettings{TrainClip: 5, Clip: 12, Batch: 2, OverBoundaries: true}, Validation: want.Validation, NumClips: 9,
	}
	movie := numbered(2, 108, 3, 2).View()
	for sequence, firsts := range map[int][]float64{0: want.First["0"], 1: want.First["1"]} {
		r := &recording{
			session: "a", train: newResponses(108, 1), tests: map[string]Responses{"test": newResponses(12, 1)},
			hoefling: hoefling{natural: true, sequence: sequence, mirrored: sequence == 0},
		}
		m := &movies{train: movie, tests: map[string]View{"test": numbered(2, 12, 3, 2).View()}, sequences: sequences}
		s, err := arrange.arrange(m, r)
		if err != nil {
			t.Fatal(err)
		}
		numbers := frameNumbers(s.Train.Movie)
		var got []float64
		for at := 0; at < len(numbers); at += 12 {
			got = append(got, float64(numbers[at]))
		}
		if diff := cmp.Diff(firsts, got); diff != "" {
			t.Errorf("sequence %d: %s", sequence, diff)
		}
		if sequence == 0 {
			if diff := cmp.Diff(want.Left, s.Train.Movie.Movie().Data[:2]); diff != "" {
				t.Error("left eye:", diff)
			}
		}
	}
}
