package data

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/data/internal/hdf5"
)

// readBehavior reads the behaviour of a session during each stimulus, standardised over
// those to train on; none where it is not asked for.
func (d *directoryStimuli) readBehavior(file sessionFile) (map[string]*Behavior, error) {
	all := map[string]*Behavior{}
	if !d.Behavior {
		return all, nil
	}
	var train, tests []*Behavior
	err := withHDF5(file.path, func(f *hdf5.File) error {
		for _, name := range file.stimuli {
			b, err := readSignals(f, behaviorPrefix+name)
			if err != nil {
				return err
			}
			if all[name] = b; d.Directory.isTest(name) {
				tests = append(tests, b)
			} else {
				train = append(train, b)
			}
		}
		return nil
	})
	if err == nil {
		err = sameSignals(all)
	}
	if err == nil {
		err = standardise(train, tests)
	}
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", file.name, err)
	}
	return all, nil
}

// readSignals reads behaviour of shape (signals, frames).
func readSignals(f *hdf5.File, name string) (*Behavior, error) {
	data, err := f.Dataset(name)
	if err != nil {
		return nil, fmt.Errorf("%w (data_io.stimuli.behavior needs it for each stimulus)", err)
	}
	if len(data.Shape) != 2 || data.Shape[0] < 1 {
		return nil, fmt.Errorf("%s/%s has shape %v, but (signals, frames) is needed", f.Path(), name, data.Shape)
	}
	b := &Behavior{Signals: data.Shape[0], Frames: data.Shape[1], Data: make([]float32, data.Shape[0]*data.Shape[1])}
	return b, hdf5.ReadSlab(data, nil, data.Shape, b.Data)
}

// sameSignals refuses behaviour of which stimuli have different numbers of signals.
func sameSignals(all map[string]*Behavior) error {
	names := sortedKeys(all)
	for _, name := range names[1:] {
		if all[name].Signals != all[names[0]].Signals {
			return fmt.Errorf("%s%s has %d signals, %s%s has %d", behaviorPrefix, names[0], all[names[0]].Signals,
				behaviorPrefix, name, all[name].Signals)
		}
	}
	return nil
}
