package train

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/report"
	"github.com/open-retina/openretina-go/pkg/tracking"
)

// weightPicturesConfig are the arguments of the Python package's
// WeightVisualizationCallback.
type weightPicturesConfig struct {
	EveryNEpochs    int     `yaml:"every_n_epochs"`
	StartEpoch      int     `yaml:"start_epoch"`
	OnTrainEpochEnd bool    `yaml:"call_on_train_epoch_end"`
	OnValidationEnd bool    `yaml:"call_on_validation_epoch_end"`
	FolderPath      *string `yaml:"folder_path"`
}

func defaultWeightPictures() weightPicturesConfig {
	return weightPicturesConfig{EveryNEpochs: 1, OnTrainEpochEnd: true}
}

// Validate refuses an epoch that never comes.
func (c weightPicturesConfig) Validate() error {
	var refused config.Refusals
	refused.Unless(c.EveryNEpochs >= 1, "every_n_epochs", "every_n_epochs must be at least 1, got %d", c.EveryNEpochs)
	return refused.Err()
}

func (c weightPicturesConfig) add(to *callbacks) (none struct{}, err error) {
	to.pictures = append(to.pictures, c)
	return none, nil
}

// due tells whether the weights are drawn in an epoch.
func (c weightPicturesConfig) due(epoch int) bool {
	return epoch >= c.StartEpoch && epoch%c.EveryNEpochs == 0
}

// The moments at which weights are drawn, as the files' names call them.
const (
	beforeTraining  = "init"
	afterTraining   = "train"
	afterValidation = "val"
)

// drawWeights draws the weights where a callback wants that at a moment. A picture that
// cannot be drawn is a warning, as in the Python package: training goes on.
func (f *fitter) drawWeights(ctx context.Context, moment string) {
	for _, c := range f.callbacks.pictures {
		wanted := map[string]bool{
			beforeTraining:  f.epoch == 0,
			afterTraining:   c.OnTrainEpochEnd && c.due(f.epoch),
			afterValidation: c.OnValidationEnd && c.due(f.epoch),
		}
		if c.FolderPath == nil || *c.FolderPath == "" || !wanted[moment] {
			continue
		}
		p := weightPictures{folder: *c.FolderPath, moment: moment, epoch: f.epoch, step: f.globalStep, loggers: &f.loggers, logged: map[string]int{}}
		if err := f.Model.EachWeightMap(ctx, p.draw); err != nil {
			f.log.Warn("the weights could not be drawn: " + err.Error())
		}
	}
}

// loggedPictures is how many pictures of each layer and session the loggers get. All of
// them, thousands in each epoch, would make logs that nothing can show.
const loggedPictures = 16

// weightPictures are the pictures of the weights at one moment.
type weightPictures struct {
	folder, moment string
	epoch, step    int
	loggers        *tracking.Group
	logged         map[string]int // by directory
}

// draw writes a picture below the folder, under the Python package's name.
func (p *weightPictures) draw(m models.WeightMap) error {
	dir := filepath.Join(p.folder, filepath.FromSlash(m.Dir))
	if err := fileio.MkdirAll(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, fmt.Sprintf("%s_%s_epoch_%d.jpg", m.Name, p.moment, p.epoch))
	if err := fileio.WriteFile(path, func(w io.Writer) error {
		return report.WeightsJPEG(w, report.Weights{
			Title: m.Dir + ": " + m.Name, Map: m.Space, Height: m.Height, Width: m.Width, Course: m.Course, Features: m.Features,
		})
	}); err != nil {
		return err
	}
	if p.logged[m.Dir]++; p.logged[m.Dir] > loggedPictures {
		return nil
	}
	return p.loggers.Picture(tracking.Picture{Tag: m.Dir + "/" + m.Name, Step: p.step, Path: path})
}
