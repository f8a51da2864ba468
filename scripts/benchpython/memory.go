package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// residentMemory are the bytes of this process in memory, now and at most.
func residentMemory() (now, peak int64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return wholeLifeMemory()
	}
	return parseStatus(string(status))
}

// parseStatus reads VmRSS and VmHWM of /proc/PID/status.
func parseStatus(status string) (now, peak int64, err error) {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		number, isSize := strings.CutSuffix(strings.TrimSpace(value), " kB")
		if !isSize || key != "VmRSS" && key != "VmHWM" {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/self/status: %s is %q, not a number of kB", key, number)
		}
		if key == "VmRSS" {
			now = n << 10
		} else {
			peak = n << 10
		}
	}
	if now == 0 || peak == 0 {
		return 0, 0, fmt.Errorf("/proc/self/status has no VmRSS or no VmHWM")
	}
	return now, peak, nil
}

// wholeLifeMemory knows the peak only.
func wholeLifeMemory() (now, peak int64, err error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0, fmt.Errorf("getrusage: %w", err)
	}
	return usage.Maxrss << 10, usage.Maxrss << 10, nil
}

// resetPeak starts the count of the peak anew, where the system lets a process do
// so.
func resetPeak() (done bool) {
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil
}
