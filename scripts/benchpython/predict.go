package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/open-retina/openretina-go/pkg/fileio/npy"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// measureProcesses times whole processes that load a model and a stimulus and
// write the responses of all sessions. Their memory is the peak of the process.
func (b *bench) measureProcesses(ctx context.Context, c benchCase, model *benchModel, r *row) error {
	load, err := b.request(c, model, r.Threads)
	if err != nil {
		return err
	}
	var outputs [2]string
	for s := range outputs {
		outputs[s] = filepath.Join(b.dir, "responses"+strconv.Itoa(s)+".npy")
	}
	threads := strconv.Itoa(r.Threads)
	commands := [2][]string{
		python: {b.python, b.script, "predict", load.Model, load.Stimulus, outputs[python], threads},
		ours: {
			b.program, "predict", "--device", "cpu", "--threads", threads,
			"--model", load.Model, "--stimulus", load.Stimulus, "--output", outputs[ours],
		},
	}
	var peaks [2]int64
	call := func(s side, _ int) (time.Duration, error) {
		took, peak, err := process(ctx, sideNames[s], commands[s])
		peaks[s] = max(peaks[s], peak)
		return took, err
	}
	compare := func() error { return compareResponses(outputs[ours], outputs[python]) }
	t, err := b.alternate(c.warmUps(), call, compare)
	if err != nil {
		return err
	}
	t.into(r)
	r.PythonMB, r.OursMB = float64(peaks[python])/megabyte, float64(peaks[ours])/megabyte
	r.PythonPeakMB, r.OursPeakMB = r.PythonMB, r.OursMB
	return nil
}

// process runs a command and gives its time and its peak of memory in bytes.
func process(ctx context.Context, name string, command []string) (took time.Duration, peak int64, err error) {
	// Linux counts the memory of the process that starts another, until the other
	// program is loaded, as that one's: so have as little as possible.
	debug.FreeOSMemory()
	resetPeak()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // bin/openretina, or the interpreter that the user names
	said := &tail{}
	cmd.Stderr = said
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w%s", name, err, said.quote())
	}
	took = time.Since(start)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss << 10
	}
	return took, peak, nil
}

func compareResponses(got, want string) error {
	var outputs [2][]ndarray.Named
	for s, path := range []string{python: want, ours: got} {
		a, err := npy.ReadFile(path)
		if err != nil {
			return err
		}
		outputs[s] = []ndarray.Named{{Name: "responses", Array: a}}
	}
	return compareOutputs(predictProcess, outputs[ours], outputs[python])
}
