//go:build torchdebug

package torch

import "runtime/debug"

// creationStack tells where a scope was made.
func creationStack() string { return ", made at:\n" + string(debug.Stack()) }
