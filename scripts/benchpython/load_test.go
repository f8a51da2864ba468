package main

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"cpu  100 10 20 5000 300 1 2 3 50 60\ncpu0 1 1 1 1": 1360 * time.Millisecond,
		"cpu  100 10 20 5000 300\n":                         1300 * time.Millisecond,
		"cpu  1 2 3\n":                                      0,
		"cpu  1 2 3 4 many 6\n":                             0,
		"intr 1 2 3 4 5 6\n":                                0,
		"":                                                  0,
	} {
		got, err := parseStat(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestOthers(t *testing.T) {
	start := time.Unix(1000, 0)
	before := cpuTime{at: start, all: 10 * time.Second, ours: 2 * time.Second}
	after := cpuTime{at: start.Add(4 * time.Second), all: 16 * time.Second, ours: 6 * time.Second}
	if got := after.othersSince(before); got != 0.5 {
		t.Errorf("%v cores, want 0.5", got)
	}
	if got := after.othersSince(cpuTime{}); got != 0 {
		t.Errorf("%v cores since an unknown time", got)
	}
	quiet := cpuTime{at: after.at, all: 11 * time.Second, ours: after.ours}
	if got := quiet.othersSince(before); got != 0 {
		t.Errorf("%v cores, less than none", got)
	}
	if now, err := readCPUTime(); err == nil && (now.all <= 0 || now.ours <= 0 || now.at.IsZero()) {
		t.Errorf("%+v", now)
	}
}
