package train

import (
	"context"
	"fmt"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/models"
)

// meanLossMetric is the mean loss over all neurons and frames of the validation data,
// which val_loss is not.
const meanLossMetric = "val_loss_per_neuron_frame"

// validationBatches are those of one validation; 0 turns it off.
func (f *fitter) validationBatches() int { return f.trainer.LimitValBatches.of(f.val.Batches()) }

// validatesAfter tells whether a validation follows the done-th batch of the epoch
// under way (lightning.pytorch.loops.training_epoch_loop._should_check_val_fx).
func (f *fitter) validatesAfter(done, batches int) bool {
	every := f.trainer.CheckValEveryNEpoch
	if f.validationBatches() == 0 || every != nil && (f.epoch+1)%*every != 0 {
		return false
	}
	if f.wantsToStop() && f.mayStop() {
		return true
	}
	if every == nil {
		done += f.epoch * batches
	}
	return done%f.trainer.ValCheckInterval.interval(batches) == 0
}

// checkSanity validates a few batches before a new training, so that what is wrong with
// validation is found out at once. Nothing of it is logged.
func (f *fitter) checkSanity(ctx context.Context) error {
	batches := orElse(f.trainer.NumSanityValSteps, 2)
	if batches == -1 {
		batches = f.validationBatches()
	}
	if f.saved || f.globalStep > 0 || f.insideEpoch() || batches == 0 || f.validationBatches() == 0 {
		return nil
	}
	if _, err := validateOn(ctx, f.val, f.Model, min(batches, f.validationBatches())); err != nil {
		return fmt.Errorf("validation before the first step: %w", err)
	}
	f.optimizerReset()
	return nil
}

func (f *fitter) validateModel(ctx context.Context, m *models.CoreReadout) ([]metric, error) {
	return validateOn(ctx, f.val, m, f.validationBatches())
}

// validateOn gives the metrics of a model on so many batches.
func validateOn(ctx context.Context, l *data.Loader, m *models.CoreReadout, batches int) ([]metric, error) {
	sums := newAverages()
	err := heldOut(ctx, l, batches, func(b *data.Batch) error {
		v, err := evaluateBatch(ctx, m, b)
		if err != nil {
			return err
		}
		if err := checkFinite("the validation loss", v.TotalLoss, b.Session); err != nil {
			return err
		}
		for _, logged := range m.Conventions.Validation {
			sums.add(logged.Name, v.value(logged.Quantity), b.Clips)
		}
		if v.Values > 0 {
			sums.add(meanLossMetric, v.PerNeuronFrame, v.Values)
		}
		return nil
	})
	return sums.values(), err
}

// heldOut goes over at most limit batches of a loader, from its start.
func heldOut(ctx context.Context, l *data.Loader, limit int, f func(*data.Batch) error) error {
	done := 0
	for b, err := range l.Epoch(ctx) {
		if err != nil {
			return err
		}
		if done == limit {
			return l.SkipRest()
		}
		if err := f(b); err != nil {
			return err
		}
		done++
	}
	return nil
}
