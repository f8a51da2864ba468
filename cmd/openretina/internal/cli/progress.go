package cli

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	barEvery  = 100 * time.Millisecond // how often a bar is drawn
	lineEvery = 5 * time.Second        // how often a line is written where no terminal is
	brief     = time.Second            // work that took less needs no words
	barWidth  = 24
)

// Progress shows how far one piece of work is, with rate and time left: as a bar
// that is drawn over and over on a terminal, else as a line every few seconds.
type Progress struct {
	label, unit string
	scale       func(float64) string // of a count of units
	output      progressOutput
	now         func() time.Time

	started, shown time.Time
	first          int64 // done when it started
	shownDone      int64
	done, total    int64
	note           string
	// follows are the seconds of work that comes after this, at a rate.
	follows func(rate float64) float64
}

// NewProgress starts a progress of units ("clips", "steps").
func (f *Factory) NewProgress(label, unit string) *Progress {
	p := &Progress{label: label, unit: " " + unit, scale: plainCount, now: time.Now}
	p.output = f.IO.progressOutput(f.Settings.Progress)
	return p
}

// NewByteProgress starts a progress of bytes.
func (f *Factory) NewByteProgress(label string) *Progress {
	p := f.NewProgress(label, "")
	p.unit, p.scale = "", byteCount
	return p
}

// progressOutput is where progress is shown: show at most every so often, end once.
type progressOutput struct {
	every     time.Duration
	show, end func(text string)
	// keeps is true where what was shown stays.
	keeps bool
}

// progressOutput is the output for a mode of the settings.
func (s *IOStreams) progressOutput(mode string) progressOutput {
	terminal, ok := s.Err.(*lockedWriter)
	bar := mode == "bar" || (mode == "auto" && s.ErrIsTerminal)
	switch {
	case mode == "none":
		nothing := func(string) {}
		return progressOutput{every: math.MaxInt64, show: nothing, end: nothing}
	case bar && ok:
		draw := func(text string) { terminal.draw(cut(text, s.Width()-1)) }
		return progressOutput{every: barEvery, show: draw, end: func(text string) {
			draw(text)
			terminal.end()
		}}
	}
	line := func(text string) {
		if text != "" {
			_, _ = io.WriteString(s.Err, text+"\n") // what is lost is progress
		}
	}
	return progressOutput{every: lineEvery, show: line, end: line, keeps: true}
}

// Set says how much is done; total is negative where nobody knows.
func (p *Progress) Set(done, total int64) {
	now := p.now()
	if p.started.IsZero() {
		p.started, p.shown, p.first = now, now, done
	}
	p.done, p.total = done, total
	if now.Sub(p.shown) >= p.output.every {
		p.shown, p.shownDone = now, done
		p.output.show(p.text(now))
	}
}

// Follows says what time the work takes that comes after this one, by the rate: the
// time left includes it.
func (p *Progress) Follows(seconds func(rate float64) float64) { p.follows = seconds }

// Drop ends the progress without a word: something else tells what was done.
func (p *Progress) Drop() { p.output.end("") }

// Note puts a few words behind the numbers, such as the loss.
func (p *Progress) Note(text string) { p.note = text }

// Close ends the progress, with a last word unless the work was brief or that word
// was said.
func (p *Progress) Close() {
	now, text := p.now(), ""
	brieflyDone := p.started.IsZero() || now.Sub(p.started) < brief
	if said := p.output.keeps && p.shownDone == p.done; !brieflyDone && !said {
		text = p.text(now)
	}
	p.output.end(text)
}

// text is one line: label, share, counts, rate, time left.
func (p *Progress) text(now time.Time) string {
	var b strings.Builder
	b.WriteString(p.label)
	if p.total > 0 {
		share := min(1, float64(p.done)/float64(p.total))
		full := int(share * barWidth)
		fmt.Fprintf(&b, " %3.0f%% [%s%s] %s/%s%s", math.Floor(100*share), strings.Repeat("=", full),
			strings.Repeat(" ", barWidth-full), p.scale(float64(p.done)), p.scale(float64(p.total)), p.unit)
	} else {
		fmt.Fprintf(&b, " %s%s", p.scale(float64(p.done)), p.unit)
	}
	if elapsed := now.Sub(p.started).Seconds(); elapsed > 0 && p.done > p.first {
		rate := float64(p.done-p.first) / elapsed
		fmt.Fprintf(&b, " %s%s/s", p.scale(rate), p.unit)
		if p.done >= p.total {
			fmt.Fprintf(&b, " in %s", clock(elapsed))
		} else {
			left := float64(p.total-p.done) / rate
			if p.follows != nil {
				left += p.follows(rate)
			}
			fmt.Fprintf(&b, " ETA %s", clock(left))
		}
	}
	if p.note != "" {
		b.WriteString(" " + p.note)
	}
	return b.String()
}

// clock is 1:02:03, or 2:03 where there are no hours.
func clock(seconds float64) string {
	s := int64(math.Ceil(seconds))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func plainCount(x float64) string {
	if x != math.Trunc(x) && x < 100 {
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// byteCount is in the decimal units in which downloads are counted.
func byteCount(x float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for ; x >= 999.5 && i < len(units)-1; i++ {
		x /= 1000
	}
	if i == 0 || x >= 99.95 {
		return fmt.Sprintf("%.0f %s", x, units[i])
	}
	return fmt.Sprintf("%.1f %s", x, units[i])
}

// cut shortens a text to a terminal's width.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(0, width)])
}
