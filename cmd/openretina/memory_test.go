package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPredictMemoryDoesNotGrow predicts a movie and one that is ten times as long:
// 4 and 41 MB, for which a model that took them whole would need 50 and 500 MB.
func TestPredictMemoryDoesNotGrow(t *testing.T) {
	t.Parallel()
	const slack = 64 << 10 // kB
	short, long := predictPeak(t, 2_000), predictPeak(t, 20_000)
	t.Logf("at most %d MB for 2,000 frames, %d MB for 20,000", short>>10, long>>10)
	if long > short+slack {
		t.Errorf("%d kB for 20,000 frames, %d kB for 2,000", long, short)
	}
}

// predictPeak is the largest resident size, in kB, of a process that predicts the
// responses to a black movie.
func predictPeak(t *testing.T, frames int) (peak int) {
	t.Helper()
	dir := t.TempDir()
	stimulus, output := filepath.Join(dir, "movie.npy"), filepath.Join(dir, "responses.npy")
	text := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (2, %d, 18, 16)}", frames)
	header := append(binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(text))), text...)
	if err := os.WriteFile(stimulus, header, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(stimulus, int64(len(header)+4*2*frames*18*16)); err != nil {
		t.Fatal(err)
	}
	cmd, stderr := start(t, nil, "predict", "--quiet", "--device=cpu", "--stimulus="+stimulus, "--output="+output,
		"--model=../../pkg/models/testdata/checkpoints/hoefling_low_res/checkpoint.ckpt")
	done := make(chan struct{})
	watched := make(chan int)
	go func() { watched <- watchPeak(cmd.Process.Pid, done) }()
	code, rest := end(t, cmd, stderr)
	close(done)
	if peak = <-watched; code != 0 || peak == 0 {
		t.Fatalf("exit code is %d, the peak %d kB, stderr %s", code, peak, rest)
	}
	if info, err := os.Stat(output); err != nil || info.Size() < int64(4*12*(frames-30)) {
		t.Errorf("output: %v, %v", info, err)
	}
	return peak
}

// watchPeak reads a process' largest resident size (VmHWM, in kB), which only grows,
// over and over until done. What wait4 tells would count its parent's.
func watchPeak(pid int, done <-chan struct{}) (peak int) {
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may have ended
		if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &peak); err != nil {
				return 0
			}
		}
		select {
		case <-done:
			return peak
		case <-time.After(2 * time.Millisecond):
		}
	}
}
