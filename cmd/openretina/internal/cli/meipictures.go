package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/report"
)

// drawMEIs writes a picture (PNG) and a moving one (GIF) of each stimulus.
func drawMEIs(in Interrupts, progress *Progress, dir string, m *models.CoreReadout, result *insilico.Result, settings *insilico.Settings) error {
	defer progress.Close()
	zero := zeroFrame(m, settings)
	shape := result.Stimulus.Shape
	values := result.Stimulus.Float32s()
	size := len(values) / max(1, shape[0])
	for i, target := range result.Targets {
		if in.Hard.Err() != nil {
			return context.Cause(in.Hard)
		}
		picture := report.MostExciting{
			Title: pictureTitle(target, result.Places[i]),
			Note:  pictureNote(result.Objective[i]),
			Stimulus: report.Stimulus{
				Data:     values[i*size : (i+1)*size],
				Channels: shape[1], Frames: shape[2], Height: shape[3], Width: shape[4],
				FrameRate: frameRate(m),
			},
			ZeroFrame: zero,
		}
		if err := drawMEI(filepath.Join(dir, pictureName(target, result.Places[i])), picture); err != nil {
			return err
		}
		progress.Set(int64(i+1), int64(len(result.Targets)))
	}
	return nil
}

func drawMEI(base string, picture report.MostExciting) error {
	err := fileio.WriteFile(base+".png", func(w io.Writer) error { return report.MEI(w, picture) })
	if err != nil {
		return err
	}
	return fileio.WriteFile(base+".gif", func(w io.Writer) error { return report.GIF(w, picture.Stimulus) })
}

// pictureName names neuron and session: mei_12_session_2_5 is neuron 12 of all,
// which is neuron 5 of session_2. A group is named by its first neuron.
func pictureName(target insilico.Neurons, places []int) string {
	kind := "mei"
	if len(target) > 1 {
		kind = fmt.Sprintf("mei_mean_of_%d", len(target))
	}
	plain := func(r rune) rune {
		if strings.ContainsRune("-_.", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}
	const longest = 100 // a session's name comes from a file and may be anything
	session := strings.Map(plain, target[0].Session)
	return fmt.Sprintf("%s_%d_%s_%d", kind, places[0], session[:min(longest, len(session))], target[0].Index)
}

func pictureTitle(target insilico.Neurons, places []int) string {
	if len(target) > 1 {
		return fmt.Sprintf("mean of %d neurons: %s", len(target), target)
	}
	return fmt.Sprintf("%s, neuron %d (%d of all)", target[0].Session, target[0].Index, places[0])
}

func pictureNote(objective []float32) string {
	return fmt.Sprintf("response %.3g, after %d steps from %.3g", objective[len(objective)-1], len(objective)-1, objective[0])
}

// zeroFrame is the frame of the stimulus at which the last response of the
// objective's window happens.
func zeroFrame(m *models.CoreReadout, settings *insilico.Settings) int {
	last := settings.Frames - 1
	lag := m.MinFrames() - 1
	start, length, _, err := settings.Reducer.Window(int64(settings.Frames - lag))
	if err != nil {
		return last
	}
	return min(last, lag+int(start+length)-1)
}

// frameRate is what the checkpoint knows of the stimulus' rate in Hz; 0 is nothing.
func frameRate(m *models.CoreReadout) float64 {
	if m.DataInfo == nil {
		return 0
	}
	value, _ := m.DataInfo.Get("stimulus_rate_hz")
	switch rate := value.(type) {
	case int64:
		return max(0, float64(rate))
	case float64:
		return max(0, rate)
	}
	return 0
}
