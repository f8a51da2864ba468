package models

import (
	"math"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// member is a tiny model with the weights of a seed.
func member(t *testing.T, text string, sessions []Session, seed uint64) *CoreReadout {
	t.Helper()
	n, err := config.FromYAML("model.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(n, sessions, Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tinyMembers(t *testing.T, n int) []*CoreReadout {
	t.Helper()
	members := make([]*CoreReadout, n)
	for i := range members {
		members[i] = member(t, tinyModel, tinySessions, uint64(i))
	}
	return members
}

func ensembleOf(t *testing.T, members []*CoreReadout) *CoreReadout {
	t.Helper()
	e, err := NewEnsemble(members)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// TestEnsembleIsTheMeanOfItsMembers looks at whole clips and at pieces, at one session
// and at all, at the mean and at the spread.
func TestEnsembleIsTheMeanOfItsMembers(t *testing.T) {
	oneThread(t)
	members := tinyMembers(t, 3)
	e := ensembleOf(t, members)
	if e.Members() != 3 || members[0].Members() != 1 {
		t.Errorf("%d members", e.Members())
	}
	spread, err := e.Spread()
	if err != nil {
		t.Fatal(err)
	}
	source := noise(e, 2, e.MinFrames()+12)
	clips, err := source.Read(Range{0, 2}, Range{0, source.shape[2]})
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range append(e.Sessions(), "") {
		mean, deviation := meanAndDeviation(t, members, clips, session)
		for name, c := range map[string]struct {
			m    *CoreReadout
			want []float64
		}{"mean": {e, mean}, "spread": {spread, deviation}} {
			want, err := ndarray.FromFloat64(c.want, len(c.want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.m.Respond(t.Context(), clips, session)
			if err != nil {
				t.Fatal(err)
			}
			sameResponses(t, name+" of session "+session, got, want)
			streamed := &ndarray.Array{}
			if err := c.m.RespondStream(t.Context(), source, session, collect(streamed)); err != nil {
				t.Fatal(err)
			}
			sameResponses(t, name+" in a stream, session "+session, streamed, want)
		}
	}
	checkCuts(t, e, 3)
}

// meanAndDeviation are those of what the members respond, one by one.
func meanAndDeviation(t *testing.T, members []*CoreReadout, clips *ndarray.Array, session string) (mean, deviation []float64) {
	t.Helper()
	var all [][]float64
	for _, m := range members {
		responses, err := m.Respond(t.Context(), clips, session)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, responses.Float64s())
	}
	mean, deviation = make([]float64, len(all[0])), make([]float64, len(all[0]))
	for i := range mean {
		for _, y := range all {
			mean[i] += y[i] / float64(len(all))
		}
		for _, y := range all {
			deviation[i] += (y[i] - mean[i]) * (y[i] - mean[i]) / float64(len(all))
		}
		deviation[i] = math.Sqrt(deviation[i])
	}
	return mean, deviation
}

// TestEnsembleForStimulusOptimisation: what mei uses, pairs of clips and neurons of
// cores and readouts that are worked out, and its gradient.
func TestEnsembleForStimulusOptimisation(t *testing.T) {
	members := tinyMembers(t, 2)
	e := ensembleOf(t, members)
	source := noise(e, 2, e.MinFrames()+3)
	clips, err := source.Read(Range{0, 2}, Range{0, source.shape[2]})
	if err != nil {
		t.Fatal(err)
	}
	session := e.Sessions()[0]
	gradient := func(m *CoreReadout) []float32 {
		var values []float32
		err := torch.Do(t.Context(), torch.Probe, func(s *torch.Scope) error {
			x := s.RequireGrad(s.FromArray(clips), true)
			readout, err := m.Readout(session)
			if err != nil {
				return err
			}
			y := readout.Fixed(s, []int64{1, 0}).Pairs(s, m.Core.Fixed(s).Forward(s, x), []int64{0, 1}, []int64{0, 1})
			s.Backward(s.Sum(y))
			values, err = s.Float32s(s.Grad(x))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	got, a, b := gradient(e), gradient(members[0]), gradient(members[1])
	for i := range got {
		if want := (a[i] + b[i]) / 2; math.Abs(float64(got[i]-want)) > 1e-6*(1+math.Abs(float64(want))) {
			t.Fatalf("gradient %d is %v, want %v", i, got[i], want)
		}
	}
}

func TestEnsembleOfOneIsThatModel(t *testing.T) {
	m := member(t, tinyModel, tinySessions, 5)
	source := noise(m, 1, m.MinFrames()+2)
	clips, err := source.Read(Range{0, 1}, Range{0, source.shape[2]})
	if err != nil {
		t.Fatal(err)
	}
	spread, err := m.Spread()
	if err != nil {
		t.Fatal(err)
	}
	zero, err := spread.Respond(t.Context(), clips, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range zero.Float32s() {
		if v != 0 {
			t.Fatalf("a single model has the spread %v", v)
		}
	}
	e := ensembleOf(t, []*CoreReadout{m})
	want, err1 := m.Respond(t.Context(), clips, "")
	got, err2 := e.Respond(t.Context(), clips, "")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	sameResponses(t, "one member", got, want)
}

func TestEnsembleOfDifferentModels(t *testing.T) {
	if _, err := NewEnsemble(nil); err == nil {
		t.Error("an ensemble without members")
	}
	first := member(t, tinyModel, tinySessions, 1)
	defer first.Close()
	for name, c := range map[string]struct {
		text     string
		sessions []Session
		want     string
	}{
		"other sessions": {tinyModel, []Session{{Name: "other", Neurons: 2}}, "its sessions are [other], not"},
		"other neurons":  {tinyModel, moreNeurons(), "neurons, not"},
		"other features": {withLine(tinyModel, "hidden_channels: [3, 5]"), tinySessions, "its core gives features of shape"},
	} {
		other := member(t, c.text, c.sessions, 2)
		_, err := NewEnsemble([]*CoreReadout{first, other})
		if err == nil || !strings.Contains(err.Error(), "member 2 of the ensemble differs from the first: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v", name, err)
		}
		other.Close()
	}
}

func moreNeurons() []Session {
	more := append([]Session{}, tinySessions...)
	more[0].Neurons++
	more[0].MeanActivity = nil
	return more
}

// perSession is a core with a variant for one session.
type perSession struct {
	Core
	session string
	variant Core
}

func (c *perSession) ForSession(session string) Core {
	if session == c.session {
		return c.variant
	}
	return c
}

// TestEnsembleOfCoresForSessions: each member's core is the session's, and sessions that
// make no difference share one.
func TestEnsembleOfCoresForSessions(t *testing.T) {
	a, variant := &perSession{session: "x"}, &perSession{}
	a.variant = variant
	e, ok := newEnsembleCore([]Core{a, variant}).(PerSession)
	if !ok {
		t.Fatal("an ensemble that does not ask for the session")
	}
	x, ok := e.ForSession("x").(*ensembleCore)
	if !ok || x.members[0] != Core(variant) || x.members[1] != Core(variant) {
		t.Errorf("session x has %v", x)
	}
	if e.ForSession("y") != e.ForSession("z") || e.ForSession("x") != Core(x) || e.ForSession("y") == Core(x) {
		t.Error("cores are not shared as they should be")
	}
}

// TestEnsembleRemembersItsSessionsCores: those of a core that makes a new one each time
// do not pile up.
func TestEnsembleRemembersItsSessionsCores(t *testing.T) {
	e, ok := newEnsembleCore([]Core{anewPerSession{}}).(*sessionEnsemble)
	if !ok {
		t.Fatal("an ensemble that does not ask for the session")
	}
	first := e.ForSession("x")
	if e.ForSession("x") != first || len(e.made) != 1 {
		t.Errorf("%d cores for one session", len(e.made))
	}
}

// anewPerSession is a core that gives a session another core at each call.
type anewPerSession struct{ Core }

func (anewPerSession) ForSession(string) Core { return &perSession{} }

// TestEnsembleOfEveryFamily has two times the same model, for each class and readout: what
// holds for it, what it takes and how long its responses are, holds for the ensemble.
func TestEnsembleOfEveryFamily(t *testing.T) {
	oneThread(t)
	for _, family := range []string{
		"legacy_core_readout", "spatial_contrast", "single_cell_spatial_contrast", "single_cell_lnp", "point_gaussian", "klindt", "lnp",
	} {
		t.Run(family, func(t *testing.T) {
			one, other := load(t, family, "checkpoint.ckpt"), load(t, family, "checkpoint.ckpt")
			e, err := NewEnsemble([]*CoreReadout{one, other})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Store().Close() // the members are closed by load
			if got, want := e.MinFrames(), one.MinFrames(); got != want {
				t.Errorf("needs %d frames, want %d", got, want)
			}
			for _, session := range append(one.Sessions(), "") {
				source := noise(e, 2, e.MinFrames()+9)
				clips, err := source.Read(Range{0, 2}, Range{0, source.shape[2]})
				if err != nil {
					t.Fatal(err)
				}
				want, err := one.Respond(t.Context(), clips, session)
				if err != nil {
					t.Fatal(err)
				}
				got := &ndarray.Array{}
				if err := e.RespondStream(t.Context(), source, session, collect(got)); err != nil {
					t.Fatal(err)
				}
				sameResponses(t, "session "+session, got, want)
			}
			if one.singleCell {
				if _, err := e.Readout("any"); err != nil {
					t.Error(err)
				}
			}
			if core, ok := one.Core.(interface{ cutsTo() (height, width int) }); ok {
				if h, w := core.cutsTo(); !e.TakesPixels(h, w) {
					t.Errorf("does not take %d × %d pixels, which its members take", h, w)
				}
			}
		})
	}
}

// TestEnsembleOfRecurrentModels has members whose features depend on all frames before.
func TestEnsembleOfRecurrentModels(t *testing.T) {
	oneThread(t)
	first, second := load(t, "gru", "checkpoint.ckpt"), load(t, "gru", "checkpoint.ckpt")
	e, err := NewEnsemble([]*CoreReadout{first, second})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Store().Close() // the members are closed by load
	source := noise(e, 1, e.MinFrames()+20)
	clips, err := source.Read(Range{0, 1}, Range{0, source.shape[2]})
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range append(e.Sessions(), "") {
		want, err := first.Respond(t.Context(), clips, session)
		if err != nil {
			t.Fatal(err)
		}
		got := &ndarray.Array{}
		if err := e.RespondStream(t.Context(), source, session, collect(got)); err != nil {
			t.Fatal(err)
		}
		sameResponses(t, "session "+session, got, want)
	}
}
