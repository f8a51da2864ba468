package config

import (
	"slices"
	"testing"
)

func TestRetargetStartsAChosenClassAnew(t *testing.T) {
	const file = "default.yaml"
	n, err := FromYAML(file, []byte("reducer: {_target_: Slice, axis: 0, start: 10}\noptimizer: {_target_: SGD, lr: 100.0}\n"))
	if err != nil {
		t.Fatal(err)
	}
	over, err := FromYAML("mine.yaml", []byte("reducer: {_target_: Mean}\noptimizer: {lr: 10.0}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Merge(n, over); err != nil {
		t.Fatal(err)
	}
	Retarget(n, file)
	for path, want := range map[string][]string{"reducer": {"_target_"}, "optimizer": {"_target_", "lr"}} {
		if at, _ := n.At(path); !slices.Equal(at.Keys(), want) {
			t.Errorf("%s has %v, want %v", path, at.Keys(), want)
		}
	}
}
