//go:build torchdebug

package torch

import (
	"strings"
	"testing"
)

// TestDebugBuildsSayWhereThingsWereMade runs with: go test -tags torchdebug.
func TestDebugBuildsSayWhereThingsWereMade(t *testing.T) {
	made := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "debug_test.go:") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error is %q", err)
		}
	}
	s := NewScope(CPU)
	x := s.Zeros(1)
	s.Close()
	other := NewScope(CPU)
	other.Exp(x)
	made(other.Err())
	other.Close()
	s.Zeros(1)
	made(s.Err())

	reports := make(chan string, 1)
	OnForgottenScope(func(message string) { reports <- message })
	defer OnForgottenScope(func(string) {})
	func() { NewScope(CPU).Zeros(1) }()
	collect(t, func() bool { return len(reports) > 0 })
	if report := <-reports; !strings.Contains(report, "debug_test.go:") {
		t.Errorf("report is %q", report)
	}
}
