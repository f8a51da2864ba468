package torch

import "testing"

// BenchmarkDo is the price of a computation that does nothing: the way to the
// worker's thread and back.
func BenchmarkDo(b *testing.B) {
	for b.Loop() {
		_ = Do(b.Context(), Inference, func(*Scope) error { return nil })
	}
}

// BenchmarkOperation is the price of an operation on one number.
func BenchmarkOperation(b *testing.B) {
	err := Do(b.Context(), Inference, func(s *Scope) error {
		x := s.Ones(1)
		for b.Loop() {
			s.Free(s.Exp(x))
		}
		return s.Err()
	})
	if err != nil {
		b.Fatal(err)
	}
}
