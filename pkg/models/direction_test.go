package models

import (
	"testing"

	"github.com/open-retina/openretina-go/pkg/config"
)

// TestDirection wants correlations to rise under whatever name and sign a class logs them.
func TestDirection(t *testing.T) {
	const contrast, unified = "openretina.models.spatial_contrast.SingleCellSpatialContrast", DefaultFamily
	const cell = ", in_shape: [1, 30, 20, 20], sta_dir: stas, sta_file_name: a.npy"
	for _, c := range []struct {
		model    string
		quantity Quantity
		want     string
	}{
		{"_target_: " + unified, EvaluationLoss, "max"},
		{"_target_: " + unified, DataLoss, "min"},
		{"{_target_: " + unified + ", evaluation_loss: {_target_: openretina.modules.losses.CorrelationLoss3d, negate: true}}", EvaluationLoss, "min"},
		{"{_target_: " + contrast + cell + "}", Correlation, "max"},
		{"{_target_: " + contrast + cell + ", validation_loss: {_target_: openretina.modules.losses.CorrelationLoss3d, negate: false}}", Correlation, "min"},
	} {
		n, err := config.FromYAML("model.yaml", []byte(c.model))
		if err != nil {
			t.Fatal(err)
		}
		if got := Direction(n, c.quantity); got != c.want {
			t.Errorf("%s: %v is better %q, want %q", c.model, c.quantity, got, c.want)
		}
	}
}
