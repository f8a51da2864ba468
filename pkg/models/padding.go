package models

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Padding is a convolution's padding as configs write it: a bool (true is
// "same", false none), an integer, "same", "valid", or [time, height, width].
type Padding struct {
	Same bool
	Size [3]int64
}

// Forms are those of the doc comment.
func (Padding) Forms() []any {
	return []any{false, int64(0), config.Words{"same", "valid"}, [3]int64{}}
}

// MarshalNode writes true or three integers.
func (p Padding) MarshalNode() any {
	if p.Same {
		return true
	}
	return p.Size
}

// UnmarshalNode reads any of the forms.
func (p *Padding) UnmarshalNode(n *config.Node) error {
	*p = Padding{}
	switch n.Kind() {
	case config.Bool:
		return n.Decode(&p.Same)
	case config.Int:
		var size int64
		if err := n.Decode(&size); err != nil {
			return err
		}
		p.Size = [3]int64{size, size, size}
		return p.check()
	case config.List:
		if err := n.Decode(&p.Size); err != nil {
			return err
		}
		return p.check()
	case config.String:
		var word string
		if err := n.Decode(&word); err != nil {
			return err
		}
		if word != "same" && word != "valid" {
			return fmt.Errorf("padding %q is neither \"same\" nor \"valid\"", word)
		}
		p.Same = word == "same"
		return nil
	}
	return fmt.Errorf("padding must be a bool, an integer, \"same\" or three integers, not %v", n.Kind())
}

func (p *Padding) check() error {
	if min(p.Size[0], p.Size[1], p.Size[2]) < 0 {
		return fmt.Errorf("padding must not be negative, got %v", p.Size)
	}
	return nil
}

// Truth is a bool as Python takes any value for one: zero, null and what is empty are
// false.
type Truth bool

// Forms are those that the Python package's configs use.
func (Truth) Forms() []any { return []any{false, int64(0), []int64{}, config.Words{"same", "valid"}} }

// UnmarshalNode reads any value.
func (t *Truth) UnmarshalNode(n *config.Node) error {
	switch v := n.Value().(type) {
	case nil:
		*t = false
	case bool:
		*t = Truth(v)
	case int64:
		*t = v != 0
	case float64:
		*t = v != 0
	case string:
		*t = v != ""
	case []any:
		*t = len(v) > 0
	default:
		*t = true
	}
	return nil
}
