// Package gotorch is the only contact with the library of that name. It gives
// out raw handles: each is taken from gotorch's finalizer, so that its owner
// alone decides when it is freed, and panics become errors.
//
// Used of gotorch: creation of CPU tensors, its question for CUDA. Left alone:
// its garbage collection, which counts finalizers, and its thread default (half
// of the cores), which package torch replaces.
package gotorch

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/wangkuiyi/gotorch"

	"github.com/open-retina/openretina-go/pkg/torch/internal/libtorch"
)

// Full makes a float32 tensor of one value on the CPU. The shape must have a
// dimension: gotorch reads its first entry.
func Full(shape []int64, value float32) (libtorch.Handle, *libtorch.Error) {
	return adopt(func() gotorch.Tensor { return gotorch.Full(shape, value, false) })
}

// CUDAAvailable tells whether libtorch sees a GPU.
func CUDAAvailable() bool { return gotorch.IsCUDAAvailable() }

// adopt runs a call of gotorch, takes its result over and turns its panic into
// an error.
func adopt(call func() gotorch.Tensor) (h libtorch.Handle, err *libtorch.Error) {
	defer func() {
		if r := recover(); r != nil {
			message, trace, _ := strings.Cut(fmt.Sprint(r), "\n")
			h, err = nil, &libtorch.Error{Code: libtorch.Other, Msg: message, Trace: trace}
		}
	}()
	t := call()
	runtime.SetFinalizer(t.T, nil)
	libtorch.Adopt()
	return libtorch.Handle(*t.T), nil
}
