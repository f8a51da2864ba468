//go:build !torchdebug

package torch

// creationStack is empty: only builds with the tag torchdebug pay for stacks.
func creationStack() string { return "" }
