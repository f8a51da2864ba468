package nn

import (
	"context"
	"fmt"
	"strings"

	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// StateDict copies all tensors out, in creation order.
func (s *Store) StateDict() ([]ndarray.Named, error) {
	state := make([]ndarray.Named, 0, len(s.entries))
	for _, e := range s.entries {
		a, err := s.scope.Array(e.Tensor)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		state = append(state, ndarray.Named{Name: e.Name, Array: a})
	}
	return state, nil
}

// MismatchError reports at once all that keeps a state dict from fitting a model.
type MismatchError struct {
	Missing    []string // in the model only
	Unexpected []string // in the state dict only
	WrongShape []string // "name: file [2×3], model [2×4]"
}

// Error is one line, in PyTorch's words.
func (e *MismatchError) Error() string {
	var parts []string
	for _, p := range []struct {
		title string
		names []string
	}{
		{"missing keys", e.Missing}, {"unexpected keys", e.Unexpected}, {"size mismatch", e.WrongShape},
	} {
		if len(p.names) > 0 {
			parts = append(parts, p.title+": "+strings.Join(p.names, ", "))
		}
	}
	return "state dict does not fit the model: " + strings.Join(parts, "; ")
}

// Load copies a state dict into the store's tensors, in place. Unless it fits
// name for name and shape for shape, nothing is copied and the error is a
// *MismatchError.
func (s *Store) Load(state []ndarray.Named) error {
	e, err := s.compare(state)
	if err == nil && len(e.Missing)+len(e.Unexpected)+len(e.WrongShape) > 0 {
		err = e
	}
	if err != nil {
		return err
	}
	return s.fill(state)
}

// LoadPart is Load of a state dict that may lack tensors. They stay as they are, and it
// tells their names.
func (s *Store) LoadPart(state []ndarray.Named) (missing []string, err error) {
	e, err := s.compare(state)
	if err != nil {
		return nil, err
	}
	if len(e.Unexpected)+len(e.WrongShape) > 0 {
		return nil, &MismatchError{Unexpected: e.Unexpected, WrongShape: e.WrongShape}
	}
	return e.Missing, s.fill(state)
}

// fill copies a state dict that fits.
func (s *Store) fill(state []ndarray.Named) error {
	return s.scope.Do(context.Background(), torch.Inference, func(in *torch.Scope) error {
		for _, n := range state {
			value := in.FromArray(n.Array)
			in.CopyInto(s.byName[n.Name].Tensor, value)
			in.Free(value)
		}
		return in.Err()
	})
}

// compare tells what of a state dict does not fit.
func (s *Store) compare(state []ndarray.Named) (*MismatchError, error) {
	e := &MismatchError{}
	seen := map[string]bool{}
	for _, n := range state {
		entry, ok := s.byName[n.Name]
		if !ok {
			e.Unexpected = append(e.Unexpected, n.Name)
			continue
		}
		seen[n.Name] = true
		shape, err := s.scope.Shape(entry.Tensor)
		if err != nil {
			return nil, err
		}
		if torch.FormatShape(shape) != torch.FormatShape(n.Array.Shape) {
			e.WrongShape = append(e.WrongShape, fmt.Sprintf("%s: file %s, model %s",
				n.Name, torch.FormatShape(n.Array.Shape), torch.FormatShape(shape)))
		}
	}
	for _, entry := range s.entries {
		if !seen[entry.Name] {
			e.Missing = append(e.Missing, entry.Name)
		}
	}
	return e, nil
}
