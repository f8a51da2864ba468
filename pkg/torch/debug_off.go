//go:build !torchdebug

package torch

// origin is where a scope or tensor was made. Only builds with the tag
// torchdebug pay for that: here it is nothing.
type origin struct{}

func here() origin { return origin{} }

func (origin) String() string { return "" }
