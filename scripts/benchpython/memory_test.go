package main

import (
	"runtime"
	"testing"
)

func TestParseStatus(t *testing.T) {
	for text, want := range map[string][2]int64{
		"Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t     200 kB\nVmRSS:\t     100 kB\nThreads:\t3\n": {100 << 10, 200 << 10},
		"VmRSS: 1 kB\nVmHWM: 1 kB":        {1 << 10, 1 << 10},
		"":                                {},
		"VmRSS:\t1 kB\n":                  {},
		"VmRSS:\t1 kB\nVmHWM:\tmany kB\n": {},
	} {
		now, peak, err := parseStatus(text)
		if (err != nil) != (want == [2]int64{}) || err == nil && [2]int64{now, peak} != want {
			t.Errorf("%q: %d, %d, %v", text, now, peak, err)
		}
	}
}

func TestPeakCountsAnewAfterReset(t *testing.T) {
	if runtime.GOOS != "linux" || !resetPeak() {
		t.Skip("this system does not let a process reset its peak")
	}
	const size = 64 << 20
	before, _, err := residentMemory()
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = 1
	}
	_, peak, err := residentMemory()
	if err != nil || peak < before+size/2 {
		t.Errorf("the peak is %d after %d more than %d were used, %v", peak, size, before, err)
	}
	runtime.KeepAlive(block)
	if now, peak, err := wholeLifeMemory(); err != nil || now != peak || peak < size {
		t.Errorf("whole life: %d, %d, %v", now, peak, err)
	}
}
