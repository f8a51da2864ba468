package train

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/open-retina/openretina-go/pkg/models"
)

func ensemble(t *testing.T, dir string, overrides ...string) *Ensemble {
	t.Helper()
	e, err := NewEnsemble(tinyRun(t, dir, append([]string{"+ensemble_seeds=[3,5]", "trainer.max_epochs=1", "+objective_target=val_loss"}, overrides...)...))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEnsembleTrainsEachMemberByItself: a member is what a training with its seed
// gives, and the directory is a model.
func TestEnsembleTrainsEachMemberByItself(t *testing.T) {
	dir, alone := t.TempDir(), t.TempDir()
	e := ensemble(t, dir)
	result, err := e.Run(t.Context(), t.Context(), environment(&recorder{}))
	if err != nil {
		t.Fatal(err)
	}
	want, err := train(t, t.Context(), tinyRun(t, alone, "seed=5", "trainer.max_epochs=1", "+objective_target=val_loss"), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Members[1]; got.Seed != 5 || got.Directory != "seed_5" || *got.Objective.Value != *want.Objective.Value {
		t.Errorf("member 5 has %v, alone %v", *got.Objective.Value, *want.Objective.Value)
	}
	a, b := *result.Members[0].Objective.Value, *result.Members[1].Objective.Value
	if a == b || math.Abs(*result.Objective.Value-(a+b)/2) > 1e-12 || math.Abs(*result.Objective.Std-math.Abs(a-b)/2) > 1e-12 {
		t.Errorf("objective %v ± %v of %v and %v", *result.Objective.Value, *result.Objective.Std, a, b)
	}
	files, err := EnsembleMembers(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{result.Members[0].Best, result.Members[1].Best}, files); diff != "" {
		t.Errorf("members: %s", diff)
	}
	m, err := models.LoadEnsemble(files, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Members() != 2 {
		t.Errorf("%d members", m.Members())
	}
	single, err := ReadResult(dir) // what sweeps read of a job
	if err != nil || *single.Objective.Value != *result.Objective.Value || len(single.Tests) != len(want.Tests) {
		t.Errorf("result.json as that of one training: %+v, %v", single, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ".hydra", "config.yaml"))
	if err != nil || !strings.Contains(string(text), "ensemble_seeds") {
		t.Errorf("stored config: %v", err)
	}
}

// TestEnsembleGoesOn: interrupted in the second member, it keeps the first and ends as
// it would have.
func TestEnsembleGoesOn(t *testing.T) {
	whole, dir := t.TempDir(), t.TempDir()
	all := &recorder{}
	want, err := ensemble(t, whole).Run(t.Context(), t.Context(), environment(all))
	if err != nil {
		t.Fatal(err)
	}
	stopAt := all.batches * 3 / 4
	soft, cancel := context.WithCancel(t.Context())
	stopped := &recorder{}
	stopped.after = func(batches int) {
		if batches == stopAt {
			cancel()
		}
	}
	var interrupted *Interrupted
	if _, err := ensemble(t, dir).Run(soft, t.Context(), environment(stopped)); !errors.As(err, &interrupted) {
		t.Fatalf("error %v", err)
	}
	if _, err := EnsembleMembers(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an ensemble that is not whole: %v", err)
	}
	rest := &recorder{}
	got, err := ensemble(t, dir, "trainer.ckpt_path=last").Run(t.Context(), t.Context(), environment(rest))
	if err != nil {
		t.Fatal(err)
	}
	if rest.batches != all.batches-stopAt {
		t.Errorf("%d batches after %d of %d", rest.batches, stopAt, all.batches)
	}
	x, _ := json.Marshal(want.Objective)
	y, _ := json.Marshal(got.Objective)
	if string(x) != string(y) {
		t.Errorf("objective %s, want %s", y, x)
	}
}

func TestBadEnsembles(t *testing.T) {
	for word, want := range map[string]string{
		"+ensemble_seeds=[]":                           "is empty",
		"+ensemble_seeds=[1,1]":                        "has 1 twice",
		"+ensemble_seeds=[-1]":                         "ensemble_seeds",
		"+ensemble_seeds=3":                            "ensemble_seeds",
		"+ensemble_seeds=[1] trainer.ckpt_path=x.ckpt": "x.ckpt",
		"+ensemble_seeds=[1] model.core._target_=x":    "unknown core",
	} {
		e, err := NewEnsemble(tinyRun(t, t.TempDir(), strings.Fields(word)...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, error %v", word, e, err)
		}
	}
	if e, err := NewEnsemble(tinyRun(t, t.TempDir(), "+ensemble_seeds=null")); e != nil || err != nil {
		t.Errorf("null: %v, %v", e, err)
	}
	dir := t.TempDir()
	for text, want := range map[string]string{
		"{":                        "unexpected end",
		"{}":                       "lists no members",
		`{"members":["../other"]}`: "is not below the directory",
		`{"members":["/etc"]}`:     "is not below the directory",
		`{"members":["absent"]}`:   `member "absent"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, EnsembleFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := EnsembleMembers(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", text, err)
		}
	}
}
