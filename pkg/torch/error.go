package torch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// The kinds of failures; errors.Is tells them apart.
var (
	ErrOutOfMemory = errors.New("out of memory")
	ErrShape       = errors.New("shapes do not fit")
	ErrDType       = errors.New("element types do not fit")
	ErrDevice      = errors.New("devices do not fit")
	ErrClosed      = errors.New("tensor or scope is closed")
	ErrNotBuilt    = errors.New("libtorch lacks this operation")
)

// Error tells which operation failed, in which layer, and on which shapes.
type Error struct {
	Op     string    // as the Scope's method is called, in lower case
	Layer  string    // path of the layer, as in state_dict; may be empty
	Shapes [][]int64 // of the operands that are tensors
	Kind   error     // one of the errors above, or nil
	Msg    string    // libtorch's own first line
	Trace  string    // where in libtorch, for debugging; see KeepTraces
}

// KeepTraces makes errors carry a Trace from now on, which takes a few
// milliseconds for each.
func KeepTraces(on bool) { libtorch.KeepTraces(on) }

// maxShapes is how many shapes a message shows.
const maxShapes = 4

// Error is one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Layer != "" {
		fmt.Fprintf(&b, "%s: ", e.Layer)
	}
	b.WriteString(e.Op)
	for i, s := range e.Shapes {
		if i == maxShapes {
			fmt.Fprintf(&b, " and %d more", len(e.Shapes)-i)
			break
		}
		b.WriteString([...]string{" of ", " and "}[min(i, 1)])
		b.WriteString(FormatShape(s))
	}
	fmt.Fprintf(&b, ": %s", e.Msg)
	return b.String()
}

// Unwrap is the kind.
func (e *Error) Unwrap() error { return e.Kind }

// firstSentence cuts off the advice to developers of libtorch that follows some
// of its messages.
func firstSentence(msg string) string {
	short, _, _ := strings.Cut(msg, ". This could be because")
	return short
}

// FormatShape writes a shape as [2×50×18×16].
func FormatShape[Int int | int64](shape []Int) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", "×")
}

// kinds of messages that libtorch raises as plain errors.
var messageKinds = []struct {
	kind  error
	words []string
}{
	{ErrOutOfMemory, []string{"can't allocate memory"}},
	{ErrDevice, []string{"same device", "device type", "on device", "CUDA error", "No CUDA"}},
	{ErrDType, []string{"scalar type", "dtype", "data type", "same type", "to have the same"}},
	{ErrShape, []string{"size", "shape", "dimension", "dim ", "channels", "elements"}},
}

func kindOf(e *libtorch.Error) error {
	switch e.Code {
	case libtorch.OutOfMemory:
		return ErrOutOfMemory
	case libtorch.Closed:
		return ErrClosed
	case libtorch.Type:
		return ErrDType
	case libtorch.NotImplemented:
		if strings.Contains(e.Msg, "' backend") {
			return ErrDevice
		}
		return ErrNotBuilt
	case libtorch.Index:
		return ErrShape
	}
	for _, m := range messageKinds {
		for _, w := range m.words {
			if strings.Contains(e.Msg, w) {
				return m.kind
			}
		}
	}
	return nil
}
