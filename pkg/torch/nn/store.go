// Package nn names the tensors of a model. A Store keeps parameters and buffers
// under the names that PyTorch's state_dict gives them, in creation order; a
// Path is a place in that tree of names, which a layer's constructor asks for
// its tensors.
package nn

import (
	"fmt"
	"strings"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// Entry is a parameter or buffer of a Store.
type Entry struct {
	Name   string
	Tensor *torch.Tensor
	// Trainable entries are PyTorch's parameters with requires_grad; the others
	// are buffers and frozen parameters.
	Trainable bool
	// Parameter tells nn.Parameter from a buffer.
	Parameter bool
	// Alias is another name of an earlier entry's tensor, under which it counts as a
	// parameter: modules that share one.
	Alias bool
}

// Store owns the tensors of a model. The first error of its constructors sticks,
// as in a scope.
type Store struct {
	scope   *torch.Scope
	rng     *torch.Generator
	entries []*Entry
	byName  map[string]*Entry
}

// NewStore makes an empty store on a device, whose random initialisation draws
// from rng.
func NewStore(device torch.Device, rng *torch.Generator) *Store {
	return &Store{scope: torch.NewScope(device), rng: rng, byName: map[string]*Entry{}}
}

// Close frees all tensors.
func (s *Store) Close() { s.scope.Close() }

// Scope is the root scope that the tensors live in.
func (s *Store) Scope() *torch.Scope { return s.scope }

// Err is the first error of the store's constructors.
func (s *Store) Err() error { return s.scope.Err() }

// Root is the empty path.
func (s *Store) Root() Path { return Path{store: s} }

// Entries are all tensors in creation order, which is state_dict's.
func (s *Store) Entries() []*Entry { return s.entries }

// Lookup finds a tensor by its full name.
func (s *Store) Lookup(name string) (*Entry, bool) {
	e, ok := s.byName[name]
	return e, ok
}

// Parameters are all nn.Parameters, frozen ones too, in creation order: the list
// that PyTorch's optimizers number.
func (s *Store) Parameters() []*torch.Tensor {
	var list []*torch.Tensor
	for _, e := range s.entries {
		if e.Parameter {
			list = append(list, e.Tensor)
		}
	}
	return list
}

// Trainable are the parameters that an optimizer moves, in creation order.
func (s *Store) Trainable() []*Entry {
	var list []*Entry
	for _, e := range s.entries {
		if e.Trainable {
			list = append(list, e)
		}
	}
	return list
}

// Freeze stops the training of all parameters whose name starts with prefix.
func (s *Store) Freeze(prefix string) error {
	for _, e := range s.entries {
		if e.Trainable && strings.HasPrefix(e.Name, prefix) {
			e.Trainable = false
			s.scope.RequireGrad(e.Tensor, false)
			s.scope.ClearGrad(e.Tensor) // optimizers move what has one
		}
	}
	return s.scope.Err()
}

// ZeroGrad sets all gradients to none.
func (s *Store) ZeroGrad() error {
	s.scope.ClearGrad(s.Parameters()...)
	return s.scope.Err()
}

// Path is a place in a store's tree of names, such as core.features.layer0.
type Path struct {
	store *Store
	name  string
}

// Sub is the place called name inside p.
func (p Path) Sub(name string) Path { return Path{store: p.store, name: p.full(name)} }

// Subf is Sub with a formatted name.
func (p Path) Subf(format string, args ...any) Path { return p.Sub(fmt.Sprintf(format, args...)) }

// String is the full name.
func (p Path) String() string { return p.name }

// Err is the store's first error.
func (p Path) Err() error { return p.store.Err() }

// Fail makes err the store's error, unless it has one.
func (p Path) Fail(err error) { p.store.scope.Fail(err) }

func (p Path) full(name string) string {
	if p.name == "" {
		return name
	}
	return p.name + "." + name
}

// Param creates a trainable parameter.
func (p Path) Param(name string, init Init, shape ...int64) *torch.Tensor {
	t := p.create(name, init, shape, true, true)
	return p.store.scope.RequireGrad(t, true)
}

// Frozen creates an nn.Parameter with requires_grad off.
func (p Path) Frozen(name string, init Init, shape ...int64) *torch.Tensor {
	return p.create(name, init, shape, false, true)
}

// Buffer creates a tensor that is saved but not trained.
func (p Path) Buffer(name string, init Init, shape ...int64) *torch.Tensor {
	return p.create(name, init, shape, false, false)
}

// Alias gives a tensor of the store another name here, as state_dict lists a parameter
// that modules share.
func (p Path) Alias(name string, t *torch.Tensor) {
	p.add(&Entry{Name: p.full(name), Tensor: t, Alias: true})
}

// Share gives all tensors below another place names below p too, as state_dict does with
// a module that two others hold.
func (p Path) Share(of Path) {
	for _, e := range p.store.entries { // those of before: the loop does not see new ones
		if rest, ok := strings.CutPrefix(e.Name, of.name+"."); ok {
			p.Alias(rest, e.Tensor)
		}
	}
}

// Redraw gives a tensor other initial values, drawn now, as PyTorch's modules do that
// initialise their parts anew.
func (p Path) Redraw(t *torch.Tensor, init Init) {
	s := p.store.scope
	if shape, err := s.Shape(t); err == nil {
		value := init(s, p.store.rng, shape)
		s.CopyInto(t, value)
		s.Free(value)
	}
}

// maxElements of one tensor, 4 GiB of float32, is far beyond any model of the
// retina. A config that asks for more is refused before memory runs out.
const maxElements = 1 << 30

func (p Path) create(name string, init Init, shape []int64, trainable, parameter bool) *torch.Tensor {
	s, full := p.store, p.full(name)
	elements := int64(1)
	for _, n := range shape {
		if n > 0 && elements > maxElements/n {
			p.Fail(fmt.Errorf("parameter %s of shape %s is larger than %d elements", full, torch.FormatShape(shape), maxElements))
			break
		}
		elements *= max(n, 1)
	}
	if s.Err() != nil {
		return nil
	}
	defer s.scope.Enter(full)()
	t := init(s.scope, s.rng, shape)
	if s.Err() != nil {
		return nil
	}
	p.add(&Entry{Name: full, Tensor: t, Trainable: trainable, Parameter: parameter})
	return t
}

func (p Path) add(e *Entry) {
	s := p.store
	if _, exists := s.byName[e.Name]; exists {
		p.Fail(fmt.Errorf("parameter %s is created twice", e.Name))
	}
	if s.Err() != nil {
		return
	}
	s.entries = append(s.entries, e)
	s.byName[e.Name] = e
}

// MoveTo moves all tensors to a device. Pointers that layers hold stay valid;
// gradients are lost.
func (s *Store) MoveTo(d torch.Device) error {
	for _, e := range s.entries {
		if e.Alias {
			continue
		}
		detached := s.scope.Detach(e.Tensor)
		s.scope.Replace(e.Tensor, s.scope.ToDevice(detached, d))
		s.scope.Free(detached)
		if e.Trainable {
			s.scope.RequireGrad(e.Tensor, true)
		}
	}
	s.scope.SetDevice(d)
	return s.scope.Err()
}
