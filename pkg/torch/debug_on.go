//go:build torchdebug

package torch

import (
	"fmt"
	"runtime"
	"strings"
)

// origin is where a scope or tensor was made: the callers' program counters.
type origin struct{ callers []uintptr }

// here is the origin of what is made now, from the caller of this package on.
func here() origin {
	callers := make([]uintptr, 32)
	return origin{callers[:runtime.Callers(2, callers)]}
}

// String is ", made at file:line (function) < file:line (function) < …".
func (o origin) String() string {
	var places []string
	frames := runtime.CallersFrames(o.callers)
	for {
		f, more := frames.Next()
		if f.Function != "" {
			places = append(places, fmt.Sprintf("%s:%d (%s)", f.File, f.Line, f.Function))
		}
		if !more {
			break
		}
	}
	return ", made at " + strings.Join(places, " < ")
}
