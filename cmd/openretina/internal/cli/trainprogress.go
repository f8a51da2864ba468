package cli

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/train"
)

const (
	// epochLineEvery is how often a line is written within an epoch where no terminal is:
	// each epoch has a line of its own.
	epochLineEvery = 30 * time.Second
	// sparks is how many epochs the sparkline shows.
	sparks = 20
)

// trainProgress shows a training: a line for each epoch, and the one under way with its
// losses, rate, time left of the training, and a sparkline of the validation correlation.
type trainProgress struct {
	f       *Factory
	bar     *Progress
	epoch   string
	batches int
	// left is the number of epochs after the one under way, at most; 0 where nothing
	// limits them.
	left int
	// took is how long the last whole epoch took; 0 before there was one.
	took time.Duration
	// watched is the name of the newest evaluation, scores are all of them.
	watched string
	scores  []float64
}

// Epoch starts a line.
func (p *trainProgress) Epoch(epoch, epochs, batches int) {
	p.epoch, p.left = fmt.Sprintf("epoch %d", epoch), 0
	if epochs > 0 {
		p.epoch += fmt.Sprintf("/%d", epochs)
		p.left = epochs - epoch - 1
	}
	if epoch == 0 { // the next member of an ensemble
		p.scores, p.took = nil, 0
	}
	p.batches = batches
	p.bar = p.f.NewProgress(p.epoch, "batches")
	if p.bar.output.keeps {
		p.bar.output.every = epochLineEvery
	}
	p.bar.Follows(p.follows)
	p.bar.Set(0, int64(batches))
}

// follows are the seconds that the epochs to come will take at a rate of batches.
func (p *trainProgress) follows(rate float64) float64 {
	each := p.took.Seconds()
	if each == 0 {
		each = float64(p.batches) / rate
	}
	return float64(p.left) * each
}

// Batch moves the line.
func (p *trainProgress) Batch(done, _ int, m train.StepMetrics) {
	note := fmt.Sprintf("train_loss=%.1f", m.TrainLoss)
	if n := len(p.scores); n > 0 {
		note += fmt.Sprintf(" %s=%.4f %s", p.watched, p.scores[n-1], sparkline(p.scores, utf8Locale()))
	}
	p.bar.Note(note)
	p.bar.Set(int64(done), int64(p.batches))
}

// EpochEnd replaces the line by that of the whole epoch.
func (p *trainProgress) EpochEnd(r train.EpochReport) {
	rate := float64(p.batches) / r.Elapsed.Seconds()
	p.took = r.Elapsed
	line := p.epoch
	for _, m := range r.Metrics {
		line += fmt.Sprintf(" %s=%.4f", m.Name, m.Value)
		p.watched = m.Name
	}
	if r.Evaluation != nil {
		p.scores = append(p.scores, *r.Evaluation)
	}
	line += fmt.Sprintf(" %s batches/s", plainCount(rate))
	if p.left > 0 {
		line += " ETA " + clock(float64(p.left)*r.Elapsed.Seconds())
	}
	p.bar.Drop()
	p.f.Log.Info(line, "time", r.Elapsed.Round(10*time.Millisecond).String())
}

// Close leaves the terminal clean.
func (p *trainProgress) Close() {
	if p.bar != nil {
		p.bar.Drop()
	}
}

// sparkline draws the newest values between the least and the greatest of them; a value
// that is no number leaves a gap.
func sparkline(values []float64, unicode bool) string {
	values = values[max(0, len(values)-sparks):]
	least, greatest := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			least, greatest = min(least, v), max(greatest, v)
		}
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	if !unicode {
		levels = []rune("_.-=+*#@")
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			b.WriteByte(' ')
		case greatest == least:
			b.WriteRune(levels[len(levels)/2])
		default:
			b.WriteRune(levels[int((v-least)/(greatest-least)*float64(len(levels)-1)+0.5)])
		}
	}
	return b.String()
}

// utf8Locale tells whether the terminal shows more than ASCII, as the environment has it.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			upper := strings.ToUpper(value)
			return strings.Contains(upper, "UTF-8") || strings.Contains(upper, "UTF8")
		}
	}
	return false
}
