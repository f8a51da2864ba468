package data

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// numbered is a movie whose pixels say where they are: frame + 100·channel +
// 0.01·pixel.
func numbered(channels, frames, height, width int) *Movie {
	m := &Movie{Channels: channels, Frames: frames, Height: height, Width: width}
	for c := range channels {
		for f := range frames {
			for p := range height * width {
				m.Data = append(m.Data, float32(f+100*c)+0.01*float32(p))
			}
		}
	}
	return m
}

// frameNumbers are the frames of a view of a numbered movie, by its first pixel.
func frameNumbers(v View) []int {
	numbers := []int{}
	m := v.Movie()
	for f := range m.Frames {
		numbers = append(numbers, int(m.Data[f*m.Height*m.Width]))
	}
	return numbers
}

func TestViewSlicesAndJoins(t *testing.T) {
	a, b := numbered(2, 10, 2, 3), numbered(2, 50, 2, 3)
	joined, err := Concat(a.View().Slice(7, 10), b.View().Slice(40, 42), b.View().Slice(42, 44), a.View().Slice(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(joined.stretches); got != 3 {
		t.Errorf("neighbours were not joined: %d stretches", got)
	}
	tests := []struct {
		name string
		view View
		want []int
	}{
		{"joined", joined, []int{7, 8, 9, 40, 41, 42, 43, 0, 1}},
		{"inside one", joined.Slice(1, 3), []int{8, 9}},
		{"across all", joined.Slice(2, 8), []int{9, 40, 41, 42, 43, 0}},
		{"slice of a slice", joined.Slice(2, 8).Slice(1, 4), []int{40, 41, 42}},
		{"empty", joined.Slice(4, 4), []int{}},
		{"nothing", View{}, []int{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, frameNumbers(test.view)); diff != "" {
				t.Error(diff)
			}
			if test.view.Frames() != len(test.want) {
				t.Errorf("Frames() = %d", test.view.Frames())
			}
		})
	}
}

func TestViewCopiesAllChannelsAndMirrors(t *testing.T) {
	view := numbered(2, 4, 1, 3).View().Slice(1, 4)
	got := make([]float32, 2*2*3)
	view.Copy(got, 1, 2)
	want := []float32{2, 2.01, 2.02, 3, 3.01, 3.02, 102, 102.01, 102.02, 103, 103.01, 103.02}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	view.Mirror().Copy(got, 1, 2)
	want = []float32{2.02, 2.01, 2, 3.02, 3.01, 3, 102.02, 102.01, 102, 103.02, 103.01, 103}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(view, view.Mirror().Mirror(), cmp.AllowUnexported(View{}, stretch{})); diff != "" {
		t.Error("mirrored twice:", diff)
	}
}

func TestConcatRefusesDifferentMovies(t *testing.T) {
	base := numbered(2, 4, 2, 3).View()
	for name, other := range map[string]View{
		"channels": numbered(1, 4, 2, 3).View(), "height": numbered(2, 4, 3, 3).View(),
		"width": numbered(2, 4, 2, 2).View(), "mirrored": base.Mirror(),
	} {
		if _, err := Concat(base, other); err == nil {
			t.Errorf("joined movies that differ in %s", name)
		}
	}
	if _, err := Concat(); err == nil {
		t.Error("joined no movies")
	}
}
