package data

// Part is a part of a data set under the name that the Python package's
// dataloaders have: train, validation, or a test stimulus.
type Part struct {
	Name   string
	Loader *Loader
}

// Parts gives loaders, each clip once and in order, over all parts of the data:
// training, validation, then the test stimuli.
func (d *Dataset) Parts() ([]Part, error) {
	train, err := d.ordered(func(s *Session) *Split { return &s.Train })
	if err != nil {
		return nil, err
	}
	validation, err := d.ValidationLoader()
	if err != nil {
		return nil, err
	}
	parts := []Part{{"train", train}, {"validation", validation}}
	for _, name := range d.TestNames() {
		l, err := d.TestLoader(name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{name, l})
	}
	return parts, nil
}
