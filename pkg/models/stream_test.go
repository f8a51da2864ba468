package models

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// movie is a stimulus in memory as a source.
type movie struct {
	shape  [5]int
	values []float32
	reads  int
	fails  error
}

func (m *movie) Shape() [5]int { return m.shape }

func (m *movie) Read(clips, frames Range) (*ndarray.Array, error) {
	if m.reads++; m.fails != nil && m.reads > 1 {
		return nil, m.fails
	}
	pixels := m.shape[3] * m.shape[4]
	var part []float32
	for clip := clips.From; clip < clips.To; clip++ {
		for channel := range m.shape[1] {
			first := (clip*m.shape[1] + channel) * m.shape[2]
			part = append(part, m.values[(first+frames.From)*pixels:(first+frames.To)*pixels]...)
		}
	}
	return ndarray.FromFloat32(part, clips.Len(), m.shape[1], frames.Len(), m.shape[3], m.shape[4])
}

// noise is a movie that fits a model.
func noise(m *CoreReadout, clips, frames int) *movie {
	shape := [5]int(m.StimulusShape(frames))
	shape[0] = clips
	rng := rand.New(rand.NewPCG(uint64(clips), uint64(frames)))
	values := make([]float32, clips*shape[1]*frames*shape[3]*shape[4])
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	return &movie{shape: shape, values: values}
}

// collect joins what is emitted.
func collect(to *ndarray.Array) func(*ndarray.Array) error {
	return func(part *ndarray.Array) error {
		to.DType, to.Data = part.DType, append(to.Data, part.Data...)
		to.Shape = append(to.Shape, part.Shape[0]*part.Shape[1])
		return nil
	}
}

// sameResponses compares with the responses to the whole stimulus, to 1e-6.
func sameResponses(t *testing.T, where string, got, want *ndarray.Array) {
	t.Helper()
	if got.Len() != want.Len() {
		t.Errorf("%s: %d values, want %d", where, got.Len(), want.Len())
		return
	}
	for i := range want.Len() {
		if g, w := got.At(i), want.At(i); !(math.Abs(g-w) <= 1e-6*(1+math.Abs(w))) {
			t.Errorf("%s: value %d is %v, want %v", where, i, g, w)
			return
		}
	}
}

// checkCuts cuts clips of several lengths after every step responses.
func checkCuts(t *testing.T, m *CoreReadout, steps ...int) {
	t.Helper()
	timing, known := m.timing()
	if !known {
		t.Fatalf("%T does not say what it sees", m.Core)
	}
	least := m.MinFrames()
	for _, step := range steps {
		one := least + (step-1)*timing.Stride // frames with step responses
		for _, frames := range []int{least, least + 1, one, one + 1, one + timing.Stride, one + 5*step + 7} {
			source := noise(m, 2, max(frames, least))
			whole, err := source.Read(Range{0, 2}, Range{0, source.shape[2]})
			if err != nil {
				t.Fatal(err)
			}
			want, err := m.Respond(t.Context(), whole, "")
			if err != nil {
				t.Fatal(err)
			}
			got := &ndarray.Array{}
			c := cutting{clips: 2, clipsAtOnce: 1, stretches: m.stretches(source.shape[2], step, timing)}
			if err := m.respondCut(t.Context(), source, "", c, collect(got)); err != nil {
				t.Fatalf("%d frames, cut after every %d responses (%+v): %v", frames, step, timing, err)
			}
			sameResponses(t, fmt.Sprintf("%d frames, cut after every %d responses (%+v)", frames, step, timing), got, want)
		}
	}
}

// oneThread is for many small computations.
func oneThread(t *testing.T) {
	t.Helper()
	torch.SetThreads(1)
	t.Cleanup(func() { torch.SetThreads(0) })
}

// TestPiecesGiveTheWholeClipsResponses holds for all recorded models.
func TestPiecesGiveTheWholeClipsResponses(t *testing.T) {
	oneThread(t)
	for _, family := range families(t) {
		t.Run(family, func(t *testing.T) { checkCuts(t, load(t, family, "checkpoint.ckpt"), 1, 7, 40) })
	}
}

// TestPiecesOfAnyCore draws kernels, paddings, strides and cuts.
func TestPiecesOfAnyCore(t *testing.T) {
	oneThread(t)
	rng := rand.New(rand.NewPCG(3, 4))
	kinds := []string{"custom_separable", "separable", "full", "time_independent"}
	paddings := []string{"true", "false", "0", "1", "[0, 1, 1]", "[2, 1, 1]", "[9, 1, 1]", "same"}
	for i := range 60 {
		layers := 1 + rng.IntN(3)
		list := func(of func() int) string {
			words := make([]string, layers)
			for i := range words {
				words[i] = fmt.Sprint(of())
			}
			return "[" + strings.Join(words, ", ") + "]"
		}
		text := withLine(tinyModel, "hidden_channels: "+list(func() int { return 2 + rng.IntN(2) }))
		for _, line := range []string{
			"in_shape: [2, 60, 9, 8]",
			"  temporal_kernel_sizes: " + list(func() int { return 3 + rng.IntN(6) }),
			"  spatial_kernel_sizes: " + list(func() int { return 1 + 2*rng.IntN(2) }),
			"  gamma_in_sparse: 0.0", "  gamma_input: 0.0", "  gamma_hidden: 0.0", "  gamma_temporal: 0.0",
			"  convolution_type: " + kinds[i%len(kinds)],
			"  input_padding: " + paddings[rng.IntN(len(paddings))],
			"  hidden_padding: " + paddings[rng.IntN(len(paddings))],
			fmt.Sprintf("  cut_first_n_frames: %d", rng.IntN(3)*rng.IntN(8)),
			fmt.Sprintf("  downsample_input_kernel_size: [%d, 1, 1]", 1+rng.IntN(3)*rng.IntN(2)),
		} {
			text = withLine(text, line)
		}
		n, err := config.FromYAML("tiny.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(n, tinySessions, Options{Seed: uint64(i)})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		checkCuts(t, m, 1+rng.IntN(4), 20)
		if m.Close(); t.Failed() {
			t.Fatal(text)
		}
	}
}

// TestStreamsTakeLittleAtOnce looks at how stimuli are cut.
func TestStreamsTakeLittleAtOnce(t *testing.T) {
	m := load(t, "hoefling_low_res", "checkpoint.ckpt")
	long := m.cut([5]int{3, 2, 1_000_000, 18, 16}, 12)
	at := 0
	for _, s := range long.stretches {
		if bytes := m.memory(2, s.frames.Len(), 12); bytes > bytesAtOnce || s.frames.To > 1_000_000 {
			t.Fatalf("%+v takes %d bytes", s, bytes)
		}
		at += s.wanted.Len()
	}
	if at != m.ResponseFrames(1_000_000) || at != 999_970 || long.clipsAtOnce != 1 {
		t.Errorf("%d frames of responses, %d clips at once", at, long.clipsAtOnce)
	}
	if gain := len(long.stretches); gain > 2000 {
		t.Errorf("%d pieces", gain)
	}
	short := m.cut([5]int{500, 2, 60, 18, 16}, 12)
	if bytes := m.memory(2, 60, 12) * int64(short.clipsAtOnce); len(short.stretches) != 1 || bytes > bytesAtOnce || bytes < bytesAtOnce/2 {
		t.Errorf("%d clips at once in %d stretches", short.clipsAtOnce, len(short.stretches))
	}
	// Where a piece would be all overlap, memory is not what counts.
	wide := m.cut([5]int{1, 2, 10_000, 18, 16}, 1_000_000)
	if gain := wide.stretches[0].wanted.Len(); gain != 90 {
		t.Errorf("%d responses a piece", gain)
	}
	if m.ResponseFrames(30) != 0 || m.ResponseFrames(31) != 1 {
		t.Errorf("30 and 31 frames give %d and %d", m.ResponseFrames(30), m.ResponseFrames(31))
	}
}

// forgetful hides what a core sees.
type forgetful struct{ Core }

// TestStreamsEqualRespond takes long clips, many short ones, and a core that says
// nothing of what it sees.
func TestStreamsEqualRespond(t *testing.T) {
	m := load(t, "hoefling_low_res", "checkpoint.ckpt")
	core := m.Core
	for name, c := range map[string]struct {
		clips, frames int
		core          Core
		cut           func(parts int) bool
	}{
		"short clips":            {80, 60, core, func(parts int) bool { return 1 < parts && parts < 40 }},
		"long clips":             {2, 3000, core, func(parts int) bool { return parts > 2 && parts%2 == 0 }},
		"long clips, kept whole": {2, 3000, forgetful{core}, func(parts int) bool { return parts == 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			m.Core = c.core
			defer func() { m.Core = core }()
			source := noise(m, c.clips, c.frames)
			whole, err := source.Read(Range{0, c.clips}, Range{0, c.frames})
			if err != nil {
				t.Fatal(err)
			}
			for _, session := range append(m.Sessions(), "") {
				want, err := m.Respond(t.Context(), whole, session)
				if err != nil {
					t.Fatal(err)
				}
				got := &ndarray.Array{}
				if err := m.RespondStream(t.Context(), source, session, collect(got)); err != nil {
					t.Fatal(err)
				}
				sameResponses(t, name, got, want)
				if parts := len(got.Shape); !c.cut(parts) {
					t.Errorf("responses of %d parts", parts)
				}
			}
		})
	}
}

func TestStreamsThatFail(t *testing.T) {
	m := load(t, "hoefling_low_res", "checkpoint.ckpt")
	broken, full := errors.New("broken disk"), errors.New("full disk")
	nothing := func(*ndarray.Array) error { return nil }
	source := func(fails error) *movie { s := noise(m, 3, 3000); s.fails = fails; return s }
	wrong := source(nil)
	wrong.shape[1] = 3
	cancelled, cancel := context.WithCancelCause(t.Context())
	for name, c := range map[string]struct {
		ctx     context.Context
		source  *movie
		session string
		emit    func(*ndarray.Array) error
		want    string
	}{
		"source":  {t.Context(), source(broken), "", nothing, "broken disk"},
		"emit":    {t.Context(), source(nil), "", func(*ndarray.Array) error { return full }, "full disk"},
		"shape":   {t.Context(), wrong, "", nothing, "the model expects 2 channels"},
		"session": {t.Context(), source(nil), "nobody", nothing, `unknown session "nobody"`},
		"cancel":  {cancelled, source(nil), "", func(*ndarray.Array) error { cancel(broken); return nil }, "broken disk"},
	} {
		t.Run(name, func(t *testing.T) {
			err := m.RespondStream(c.ctx, c.source, c.session, c.emit)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
			if reads := c.source.reads; reads > 2 { // of more: it ends at the error
				t.Errorf("%d reads", reads)
			}
		})
	}
}
