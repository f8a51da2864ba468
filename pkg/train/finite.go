package train

import (
	"fmt"
	"math"

	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// NonFiniteError stops a training where a number is NaN or infinite.
type NonFiniteError struct {
	What    string
	Value   float64
	Session string // empty where it belongs to none
}

func (e *NonFiniteError) Error() string {
	where := ""
	if e.Session != "" {
		where = " in session " + e.Session
	}
	return fmt.Sprintf("%s is %v%s: check the data for outliers, or lower the learning rate", e.What, e.Value, where)
}

func checkFinite(what string, value float64, session string) error {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return &NonFiniteError{What: what, Value: value, Session: session}
	}
	return nil
}

// checkParameters keeps a model that has grown beyond all bounds out of the checkpoints.
func (f *fitter) checkParameters(state *checkpoint.State) error {
	for _, name := range state.Names() {
		a, _ := state.Get(name)
		for i := range a.Len() {
			if err := checkFinite("the parameter "+name, a.At(i), ""); err != nil {
				return f.stopped(fmt.Errorf("epoch %d, after step %d: %w", f.epoch, f.globalStep, err))
			}
		}
	}
	return nil
}
