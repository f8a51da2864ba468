package eval

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFrameCounter(t *testing.T) {
	// Two channels of 1 x 2 pixels; the frames are A B A B C.
	clip := []float32{
		1, 2, 3, 4, 1, 2, 3, 4, 1, 2,
		5, 6, 7, 8, 5, 6, 7, 8, 5, 0,
	}
	var train, validation FrameCounter
	if err := train.Add(clip, 2, 5, 1, 2); err != nil {
		t.Fatal(err)
	}
	// C with the other zero, then something new.
	if err := validation.Add([]float32{1, 2, 9, 9, 5, float32(math.Copysign(0, -1)), 9, 9}, 2, 2, 1, 2); err != nil {
		t.Fatal(err)
	}
	test := TestCounter{Name: "movie"}
	if err := test.Add(clip, 2, 5, 1, 2); err != nil {
		t.Fatal(err)
	}
	got := Statistics(3, &train, &validation, []TestCounter{test})
	want := DatasetStatistics{
		Sessions: 3, TrainFrames: 3, TrainTransitions: 3, ValidationFrames: 2, ValidationTransitions: 1, TrainValidationFrames: 4,
		TestFrames: Counts{{"movie", 3}}, TestTransitions: Counts{{"movie", 3}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := train.Add(clip, 2, 4, 1, 2); err == nil {
		t.Error("a wrong shape was accepted")
	}
	if got := Statistics(0, &FrameCounter{}, &FrameCounter{}, nil); !cmp.Equal(got, DatasetStatistics{}) {
		t.Errorf("nothing counted: %+v", got)
	}
}
