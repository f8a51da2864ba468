package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// loadAutoencoder loads the autoencoder that a word means; nil where it means something
// else.
func (f *Factory) loadAutoencoder(ctx context.Context, word string) (*models.Autoencoder, error) {
	if isHubModel(word) {
		return nil, nil // the hub has none
	}
	files, err := f.resolveFiles(ctx, word)
	if err != nil || len(files) != 1 {
		return nil, err
	}
	c, err := openModel(files[0])
	if err != nil || !models.HoldsAutoencoder(c) {
		return nil, err
	}
	device, err := f.Device()
	if err != nil {
		return nil, err
	}
	a, err := models.AutoencoderFrom(c, models.Options{Device: device})
	if err != nil {
		return nil, notTheUsersConfig(fmt.Errorf("model %s: %w", files[0], err))
	}
	return a, nil
}

// reconstructedBytes is about how much of the responses is read at a time.
const reconstructedBytes = 16 << 20

// reconstruct writes the reconstruction of responses, and the hidden activations.
func (o *predictOptions) reconstruct(in Interrupts, a *models.Autoencoder) (err error) {
	if o.Session != "" || o.Spread != "" || o.Center {
		return flagErrorf("--session, --spread and --center-readout are for models of a stimulus: %s is a sparse autoencoder", o.Model)
	}
	responses, err := openResponses(o.Stimulus)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, responses.Close()) }()
	if last := len(responses.shape) - 1; last < 0 || int64(responses.shape[last]) != a.InputDim {
		return fmt.Errorf("responses %s have the shape %s: the autoencoder takes %d neurons in the last dimension",
			responses.name, shapeText(responses.shape), a.InputDim)
	}
	if slices.Contains(responses.shape, 0) {
		return fmt.Errorf("responses %s have the shape %s: there is nothing to reconstruct", responses.name, shapeText(responses.shape))
	}
	for _, output := range []struct {
		path string
		size int
		take func(reconstruction, hidden *ndarray.Array) *ndarray.Array
	}{
		{o.Output, int(a.InputDim), func(reconstruction, _ *ndarray.Array) *ndarray.Array { return reconstruction }},
		{o.Hidden, int(a.HiddenDim), func(_, hidden *ndarray.Array) *ndarray.Array { return hidden }},
	} {
		if output.path == "" {
			continue
		}
		shape := slices.Clone(responses.shape)
		shape[len(shape)-1] = output.size
		err := npy.WritePartsFile(output.path, ndarray.Float32, shape, func(add func(*ndarray.Array) error) error {
			return responses.each(in.Soft, func(part *ndarray.Array) error {
				reconstruction, hidden, err := a.Reconstruct(in.Hard, part)
				if err != nil {
					return err
				}
				return add(output.take(reconstruction, hidden))
			})
		})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(o.IO.Out, output.path); err != nil {
			return err
		}
	}
	return nil
}

// responsesFile is an array (…, neurons) in a file.
type responsesFile struct {
	boxReader

	name  string
	shape []int
}

// openResponses opens responses by the user's word for them, as openStimulus.
func openResponses(word string) (*responsesFile, error) {
	path, dataset := splitStimulus(word)
	if isHDF5(path) {
		array, err := data.OpenArray(path, dataset, 1, 5)
		if err != nil {
			return nil, fmt.Errorf("responses: %w", err)
		}
		return &responsesFile{array, path + ":" + array.Name, array.Shape}, nil
	}
	if dataset != "" {
		return nil, fmt.Errorf("responses: %s is no HDF5 file, so there is no data set %s in it", path, dataset)
	}
	file, err := npy.Open(path)
	if err != nil {
		return nil, fmt.Errorf("responses: %w", err)
	}
	return &responsesFile{npyFile{file, path}, path, file.Shape}, nil
}

// each reads the responses part by part, as (examples, neurons), in C order.
func (r *responsesFile) each(ctx context.Context, f func(part *ndarray.Array) error) error {
	if len(r.shape) == 1 {
		return r.part(ctx, []int{0}, r.shape, f)
	}
	// All but the first dimensions that are cut, one entry at a time.
	inner, axis := r.shape[len(r.shape)-1], len(r.shape)-2
	for axis > 0 && inner*r.shape[axis]*4 < reconstructedBytes {
		inner *= r.shape[axis]
		axis--
	}
	step := max(1, reconstructedBytes/4/max(inner, 1))
	start, shape := make([]int, len(r.shape)), slices.Clone(r.shape)
	for i := range axis {
		shape[i] = 1
	}
	for {
		for start[axis] = 0; start[axis] < r.shape[axis]; start[axis] += step {
			shape[axis] = min(step, r.shape[axis]-start[axis])
			if err := r.part(ctx, start, shape, f); err != nil {
				return err
			}
		}
		if !next(start[:axis], r.shape[:axis]) {
			return nil
		}
	}
}

func (r *responsesFile) part(ctx context.Context, start, shape []int, f func(part *ndarray.Array) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	part, err := r.ReadSlab(start, shape)
	if err != nil {
		return fmt.Errorf("responses: %w", err)
	}
	if i, ok := notFinite(part); ok {
		return fmt.Errorf("responses %s hold %v at %s: every value must be a finite number", r.name, float32(part.At(i)), place(start, shape, i))
	}
	neurons := r.shape[len(r.shape)-1]
	part.Shape = []int{part.Len() / max(neurons, 1), neurons}
	return f(part)
}

// next counts an index up, the last place first; false after the last one.
func next(index, shape []int) bool {
	for i := len(index) - 1; i >= 0; i-- {
		if index[i]++; index[i] < shape[i] {
			return true
		}
		index[i] = 0
	}
	return false
}
