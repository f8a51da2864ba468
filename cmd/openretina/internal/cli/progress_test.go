package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// newTestProgress has a clock that the result moves.
func newTestProgress(t *testing.T, mode string, terminal bool) (p *Progress, pass func(time.Duration), errOut *bytes.Buffer) {
	t.Helper()
	f := newTestFactory(t)
	f.Settings.Progress = mode
	f.IO.ErrIsTerminal = terminal
	p = f.NewProgress("training", "clips")
	now := time.Unix(0, 0)
	p.now = func() time.Time { return now }
	return p, func(d time.Duration) { now = now.Add(d) }, f.IO.Err.(*lockedWriter).w.(*bytes.Buffer)
}

func TestProgressInLines(t *testing.T) {
	p, pass, errOut := newTestProgress(t, "auto", false)
	for i := range int64(21) {
		p.Note("loss=3")
		p.Set(i, 20)
		pass(time.Second)
	}
	p.Close()
	want := "training  25% [======                  ] 5/20 clips 1 clips/s ETA 0:15 loss=3\n" +
		"training  50% [============            ] 10/20 clips 1 clips/s ETA 0:10 loss=3\n" +
		"training  75% [==================      ] 15/20 clips 1 clips/s ETA 0:05 loss=3\n" +
		"training 100% [========================] 20/20 clips 1 clips/s in 0:20 loss=3\n"
	if got := errOut.String(); got != want {
		t.Errorf("lines are\n%s", got)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	p, pass, errOut := newTestProgress(t, "auto", true)
	p.Set(0, -1)
	pass(2 * time.Second)
	p.Set(7, -1)
	if got := errOut.String(); got != clearLine+"training 7 clips 3.5 clips/s in 0:02" {
		t.Errorf("bar is %q", got)
	}
	p.Close()
	if got := errOut.String(); !strings.HasSuffix(got, "\n") {
		t.Errorf("the bar stays open: %q", got)
	}
}

func TestShortWorkNeedsNoWords(t *testing.T) {
	for _, mode := range []string{"bar", "lines", "none"} {
		p, pass, errOut := newTestProgress(t, mode, true)
		p.Set(0, 2)
		pass(20 * time.Millisecond)
		p.Set(2, 2)
		p.Close()
		if errOut.Len() != 0 {
			t.Errorf("%s: %q", mode, errOut)
		}
	}
}

func TestMessagesReplaceTheBar(t *testing.T) {
	var terminal bytes.Buffer
	w := &lockedWriter{w: &terminal}
	w.draw("half")
	newLogger(w, slog.LevelInfo).Info("using the CPU")
	w.draw("done")
	w.draw("")
	if got, want := terminal.String(), clearLine+"half"+clearLine+"using the CPU\n"+clearLine+"done"+clearLine; got != want {
		t.Errorf("terminal has %q, want %q", got, want)
	}
}

func TestByteCounts(t *testing.T) {
	for x, want := range map[float64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_949: "99.9 kB", 123_456_789: "123 MB", 5e15: "5000 TB"} {
		if got := byteCount(x); got != want {
			t.Errorf("%v is %s, want %s", x, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	for x, want := range map[float64]string{0: "0:00", 0.2: "0:01", 61: "1:01", 3725: "1:02:05"} {
		if got := clock(x); got != want {
			t.Errorf("%v is %s, want %s", x, got, want)
		}
	}
}

func TestLogForPersons(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, slog.LevelInfo)
	log.Debug("hidden")
	log.Info("data loaded", "sessions", 2, "file", "a b.h5")
	log.With("session", "s1").WithGroup("clip").Warn("short\nclip", "frames", 3, slog.Group("at", "row", 1))
	log.Error("failed")
	want := "data loaded sessions=2 file=\"a b.h5\"\n" +
		"warning: short; clip session=s1 clip.frames=3 clip.at.row=1\n" +
		"error: failed\n"
	if got := out.String(); got != want {
		t.Errorf("log is %q", got)
	}
}
