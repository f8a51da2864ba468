package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// threeSessions is a data set of frame numbers in sessions of unequal length.
func threeSessions(t *testing.T) *Dataset {
	t.Helper()
	d := &Dataset{}
	settings := clipSettings{TrainClip: 5, Clip: 12, Batch: 2, OverBoundaries: true}
	for i, frames := range []int{48, 96, 60} {
		d.Sessions = append(d.Sessions, frameSession(fmt.Sprintf("session_%d", i), frames, func(v View, r Responses) Split {
			split, err := settings.train(v, r)
			if err != nil {
				t.Fatal(err)
			}
			return split
		}))
	}
	return d
}

func trainLoader(t *testing.T, d *Dataset, seed uint32) *Loader {
	t.Helper()
	l, err := d.TrainLoader(seed)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// sequence takes n batches over as many epochs as it needs and describes them.
func sequence(t *testing.T, l *Loader, n int) []string {
	t.Helper()
	var seen []string
	for len(seen) < n {
		for b, err := range l.Epoch(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, fmt.Sprint(b.Session, b.Starts, b.Inputs[0], b.Targets[len(b.Targets)-1]))
			if len(seen) == n {
				break
			}
		}
	}
	return seen
}

// TestResumeAnywhere stops after every number of batches of three epochs, stores
// the state as JSON, and continues in a new loader.
func TestResumeAnywhere(t *testing.T) {
	d := threeSessions(t)
	perEpoch := trainLoader(t, d, 7).Batches()
	total := 3*perEpoch + 2
	whole := sequence(t, trainLoader(t, d, 7), total)
	if slices.Equal(whole[:perEpoch], whole[perEpoch:2*perEpoch]) {
		t.Error("two epochs are the same")
	}
	for stop := range total {
		first := trainLoader(t, d, 7)
		sequence(t, first, stop)
		saved, err := json.Marshal(first.State())
		if err != nil {
			t.Fatal(err)
		}
		var state State
		if err := json.Unmarshal(saved, &state); err != nil {
			t.Fatal(err)
		}
		second := trainLoader(t, d, 99) // its own seed is forgotten
		if err := second.Restore(state); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole[stop:], sequence(t, second, total-stop)); diff != "" {
			t.Fatalf("stopped after %d batches: %s", stop, diff)
		}
		if diff := cmp.Diff(whole[stop:], sequence(t, first, total-stop)); diff != "" {
			t.Fatalf("left after %d batches: %s", stop, diff)
		}
	}
}

// TestStateAtTheEndOfAnEpoch: the last batch is done but the epoch is not over
// until the loop is, so that what follows an epoch is not skipped.
func TestStateAtTheEndOfAnEpoch(t *testing.T) {
	d := threeSessions(t)
	l := trainLoader(t, d, 1)
	var atLast State
	for _, err := range l.Epoch(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		atLast = l.State()
	}
	if atLast.Epoch != 0 || atLast.Batch != l.Batches() {
		t.Errorf("inside the loop: epoch %d, batch %d", atLast.Epoch, atLast.Batch)
	}
	if after := l.State(); after.Epoch != 1 || after.Batch != 0 {
		t.Errorf("after the loop: epoch %d, batch %d", after.Epoch, after.Batch)
	}
	restored := trainLoader(t, d, 1)
	if err := restored.Restore(atLast); err != nil {
		t.Fatal(err)
	}
	for _, err := range restored.Epoch(context.Background()) {
		t.Error("a batch after the last one", err)
	}
	if diff := cmp.Diff(l.State(), restored.State()); diff != "" {
		t.Error(diff)
	}
	skipped := trainLoader(t, d, 1)
	if err := errors.Join(skipped.Restore(atLast), skipped.SkipRest()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.State(), skipped.State()); diff != "" {
		t.Errorf("the rest skipped before a batch was asked for: %s", diff)
	}
}

func TestRestoreRefusesAnotherLoader(t *testing.T) {
	d := threeSessions(t)
	l := trainLoader(t, d, 1)
	for name, change := range map[string]func(*State){
		"sessions":  func(s *State) { s.Sessions = s.Sessions[:2] },
		"batches":   func(s *State) { s.Batches++ },
		"position":  func(s *State) { s.Batch = s.Batches + 1 },
		"negative":  func(s *State) { s.Epoch = -1 },
		"generator": func(s *State) { s.NumPy = s.NumPy[:7] },
		"no state":  func(s *State) { s.Python = nil },
	} {
		t.Run(name, func(t *testing.T) {
			state := l.State()
			change(&state)
			if err := trainLoader(t, d, 1).Restore(state); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestCancelledLoader(t *testing.T) {
	l := trainLoader(t, threeSessions(t), 1)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	batches := 0
	var last error
	for _, err := range l.Epoch(ctx) {
		if last = err; err != nil {
			break
		}
		if batches++; batches == 3 {
			cancel(cause)
		}
	}
	if !errors.Is(last, cause) || batches != 3 {
		t.Errorf("%d batches, then %v", batches, last)
	}
	if state := l.State(); state.Batch != 3 {
		t.Errorf("state %+v", state)
	}
}

// TestBatchesHoldTheirClips compares every batch with what its starts say.
func TestBatchesHoldTheirClips(t *testing.T) {
	l := trainLoader(t, threeSessions(t), 5)
	for b, err := range l.Epoch(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for clip, start := range b.Starts {
			for frame := range b.Frames {
				input := b.Inputs[(clip*b.Frames+frame)*b.Height*b.Width]
				target := b.Targets[(clip*b.Frames+frame)*b.Neurons]
				if int(input) != start+frame || input != target {
					t.Fatalf("clip at %d, frame %d: input %v, target %v", start, frame, input, target)
				}
			}
		}
	}
}

// TestBuffersAreUsedAgain goes over epochs that end, and loops that are left,
// cancelled, or panic.
func TestBuffersAreUsedAgain(t *testing.T) {
	l := trainLoader(t, threeSessions(t), 5)
	ctx, cancel := context.WithCancel(context.Background())
	seen := map[*float32]bool{}
	loop := func(ctx context.Context, body func(batch int) bool) {
		defer func() { _ = recover() }()
		batch := 0
		for b, err := range l.Epoch(ctx) {
			if err != nil {
				return
			}
			seen[&b.Inputs[0]] = true
			if batch++; !body(batch) {
				return
			}
		}
	}
	for range 3 {
		loop(context.Background(), func(int) bool { return true })
		loop(context.Background(), func(batch int) bool { return batch < 3 })
		loop(context.Background(), func(int) bool { panic("body") })
	}
	loop(ctx, func(int) bool { cancel(); return true })
	loop(context.Background(), func(int) bool { return true })
	if len(seen) != buffers || len(l.free) != buffers {
		t.Errorf("%d buffers, %d of them free, want %d", len(seen), len(l.free), buffers)
	}
}

func TestLoaderErrors(t *testing.T) {
	d := threeSessions(t)
	d.Sessions[0].Train.batch = 100
	if _, err := d.TrainLoader(1); err == nil || !strings.Contains(err.Error(), "session_0 has 10 training clips") {
		t.Errorf("too few clips: %v", err)
	}
	if _, err := d.TestLoader("nothing"); err == nil || !strings.Contains(err.Error(), `no test stimulus "nothing"`) {
		t.Errorf("unknown test: %v", err)
	}
	if _, err := d.Session("session1"); err == nil || !strings.Contains(err.Error(), `did you mean "session_1"?`) {
		t.Errorf("unknown session: %v", err)
	}
}

// BenchmarkTrainBatches is what it takes to prepare clips of 50 frames of 2 × 18 × 16
// pixels with the responses of 80 neurons. While a training step runs, this is hidden.
func BenchmarkTrainBatches(b *testing.B) {
	movie := newMovie(2, 16200, 18, 16)
	for i := range movie.Data {
		movie.Data[i] = float32(i % 7) // memory that was never written is read faster than any movie
	}
	for _, c := range []struct {
		name  string
		clips int
		view  View
	}{
		{"16x50", 16, movie.View()},
		{"128x50", 128, movie.View()},
		{"128x50_mirrored", 128, movie.View().Mirror()},
	} {
		b.Run(c.name, func(b *testing.B) {
			settings := clipSettings{TrainClip: 50, Clip: 150, Batch: c.clips, OverBoundaries: true}
			split, err := settings.train(c.view, newResponses(16200, 80))
			if err != nil {
				b.Fatal(err)
			}
			d := &Dataset{Sessions: []*Session{{Name: "a", Neurons: 80, Train: split}}}
			l, err := d.TrainLoader(1)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for n := 0; n < b.N; {
				for batch, err := range l.Epoch(context.Background()) {
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(4 * (len(batch.Inputs) + len(batch.Targets))))
					if n++; n == b.N {
						break
					}
				}
			}
		})
	}
}
