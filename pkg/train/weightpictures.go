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
		suffix := fmt.Sprintf("_%s_epoch_%d", moment, f.epoch)
		if err := f.Model.EachWeightMap(ctx, func(m models.WeightMap) error { return drawWeightMap(*c.FolderPath, suffix, m) }); err != nil {
			f.log.Warn("the weights could not be drawn: " + err.Error())
		}
	}
}

// drawWeightMap writes the picture below a folder, under the Python package's name.
func drawWeightMap(folder, suffix string, m models.WeightMap) error {
	dir := filepath.Join(folder, filepath.FromSlash(m.Dir))
	if err := fileio.MkdirAll(dir); err != nil {
		return err
	}
	return fileio.WriteFile(filepath.Join(dir, m.Name+suffix+".jpg"), func(w io.Writer) error {
		return report.WeightsJPEG(w, report.Weights{
			Title: m.Dir + ": " + m.Name, Map: m.Space, Height: m.Height, Width: m.Width, Course: m.Course, Features: m.Features,
		})
	})
}
