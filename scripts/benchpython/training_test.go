package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBestMetric(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "csv", "version_0", "metrics.csv")
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("step,val_evaluation_loss\n0,\n1,0.25\n2,0.5\n3,0.375\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if best, err := bestMetric(dir, watchedMetric); err != nil || best != 0.5 {
		t.Errorf("the best is %v, %v", best, err)
	}
	if _, err := bestMetric(dir, "val_loss"); err == nil {
		t.Error("a metric that was not logged has a best value")
	}
}

func TestTableOfTrainings(t *testing.T) {
	all := []trained{
		{Training: "maheswaranathan", Seed: 1, Correlation: [2]float64{0.5, 0.75}},
		{Training: "maheswaranathan", Seed: 2, Correlation: [2]float64{0.5, 0.25}},
	}
	if mean, deviation := difference(all); mean != 0 || math.Abs(deviation-0.25) > 1e-12 {
		t.Errorf("the difference is %v ± %v", mean, deviation)
	}
	var text strings.Builder
	if err := writeTrainings(&text, all); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "+0.0000 ± 0.2500") || !strings.Contains(text.String(), "over 2 seeds") {
		t.Error(text.String())
	}
}

func TestTrainingsByName(t *testing.T) {
	if chosen, err := parseTrainings(defaultTrainings); err != nil || len(chosen) != len(trainings) {
		t.Errorf("%d trainings, %v", len(chosen), err)
	}
	if chosen, err := parseTrainings("none"); err != nil || len(chosen) != 0 {
		t.Errorf("%d trainings, %v", len(chosen), err)
	}
}
