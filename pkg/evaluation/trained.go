package evaluation

import (
	"math"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// TrainedScore is what training left in a checkpoint about how good the model is.
type TrainedScore struct {
	// Metric is its name, such as "test CorrelationLoss3d".
	Metric string
	// Mean is over neurons, or over sessions where the score has no parts.
	Mean float64
}

// Trained reads the score out of the data_info of a checkpoint that was written
// after the test at the end of training. It is false where there is none.
func Trained(info *pickle.Dict) (TrainedScore, bool) {
	if info == nil {
		return TrainedScore{}, false
	}
	value, _ := info.Get("pretrained_performance")
	sessions, ok := value.(*pickle.Dict)
	if !ok {
		return TrainedScore{}, false
	}
	sum, n := 0.0, 0
	for i := range sessions.Len() {
		_, score := sessions.At(i)
		for _, v := range numbers(score) {
			sum += v
			n++
		}
	}
	name, _ := info.Get("pretrained_performance_metric")
	metric, _ := name.(string)
	mean := sum / float64(n)
	return TrainedScore{Metric: metric, Mean: mean}, n > 0 && !math.IsNaN(mean)
}

// numbers are those of a tensor, an array or a number.
func numbers(value any) []float64 {
	switch v := value.(type) {
	case *checkpoint.Tensor:
		return v.Float64s()
	case *ndarray.Array:
		return v.Float64s()
	case float64:
		return []float64{v}
	}
	return nil
}
