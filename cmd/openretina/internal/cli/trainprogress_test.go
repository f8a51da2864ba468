package cli

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/open-retina/openretina-go/pkg/tracking"
	"github.com/open-retina/openretina-go/pkg/train"
)

// trainEpochs shows epochs of 10 batches, which take a second each, and 2 seconds for
// the validation.
func trainEpochs(t *testing.T, mode string, terminal bool, epochs int) string {
	t.Helper()
	f := newTestFactory(t)
	f.Settings.Progress = mode
	f.IO.ErrIsTerminal = terminal
	f.IO.Width = func() int { return 200 }
	p := &trainProgress{f: f}
	now := time.Unix(0, 0)
	for e := range epochs {
		p.Epoch(e, 4, 10)
		p.bar.now = func() time.Time { return now }
		p.bar.started, p.bar.shown = now, now
		for b := range 10 {
			now = now.Add(time.Second)
			p.Batch(b+1, 1, train.StepMetrics{TrainLoss: 50})
		}
		score := 0.1 * float64(e+1)
		p.EpochEnd(train.EpochReport{
			Metrics:    []tracking.Metric{{Name: "train_loss", Value: 50}, {Name: "val_loss", Value: 4}, {Name: "val_evaluation_loss", Value: score}},
			Evaluation: &score, Elapsed: 12 * time.Second,
		})
	}
	p.Close()
	return f.IO.Err.(*lockedWriter).w.(*bytes.Buffer).String()
}

func TestAnEpochIsALineOnAPipe(t *testing.T) {
	want := "epoch 0/4 train_loss=50.0000 val_loss=4.0000 val_evaluation_loss=0.1000 0.8 batches/s ETA 0:36 time=12s\n" +
		"epoch 1/4 train_loss=50.0000 val_loss=4.0000 val_evaluation_loss=0.2000 0.8 batches/s ETA 0:24 time=12s\n"
	if got := trainEpochs(t, "auto", false, 2); got != want {
		t.Errorf("lines are\n%s, want\n%s", got, want)
	}
}

func TestATerminalShowsTheEpochUnderWay(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	got := trainEpochs(t, "auto", true, 3)
	// 5 batches and the last epoch are left: 5 s + 12 s.
	want := clearLine + "epoch 2/4  50% [============            ] 5/10 batches 1 batches/s ETA 0:17 train_loss=50.0 val_evaluation_loss=0.2000 ▁█" + clearLine
	if !strings.Contains(got, want) {
		t.Errorf("the terminal shows %q, want %q in it", got, want)
	}
	if left := got[strings.LastIndex(got, clearLine)+len(clearLine):]; !strings.HasPrefix(left, "epoch 2/4 train_loss=") || !strings.HasSuffix(left, "\n") {
		t.Errorf("at the end it shows %q", left)
	}
}

func TestNoProgressIsShownWhereNoneIsWanted(t *testing.T) {
	if got := trainEpochs(t, "none", true, 1); strings.Contains(got, clearLine) || strings.Count(got, "\n") != 1 {
		t.Errorf("it shows %q", got)
	}
}

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values  []float64
		unicode bool
		want    string
	}{
		{nil, true, ""},
		{[]float64{0.3}, true, "▅"},
		{[]float64{-0.1, 0.25, math.NaN(), 0.6}, true, "▁▅ █"},
		{[]float64{0, 1, math.Inf(1)}, false, "_@ "},
	} {
		if got := sparkline(c.values, c.unicode); got != c.want {
			t.Errorf("%v is %q, want %q", c.values, got, c.want)
		}
	}
	if got := []rune(sparkline(make([]float64, 100), true)); len(got) != sparks {
		t.Errorf("100 epochs are %d characters", len(got))
	}
}

func TestUTF8Locale(t *testing.T) {
	t.Setenv("LC_ALL", "")
	t.Setenv("LC_CTYPE", "")
	for value, want := range map[string]bool{"": false, "C": false, "C.UTF-8": true, "de_DE.utf8": true} {
		t.Setenv("LANG", value)
		if utf8Locale() != want {
			t.Errorf("LANG=%s: want %v", value, want)
		}
	}
}
