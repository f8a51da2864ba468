package train

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// furtherData is noiseData with one of its sessions under another name, and less the
// other one.
func furtherData(t *testing.T) (dir string) {
	t.Helper()
	from, err := noiseData()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	sessions, err := filepath.Glob(filepath.Join(dir, "session_*"))
	if err != nil || len(sessions) != 2 {
		t.Fatalf("sessions are %v, %v", sessions, err)
	}
	if err := os.Rename(sessions[1], filepath.Join(dir, "new_session"+filepath.Ext(sessions[1]))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openCheckpoint(t *testing.T, path string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFineTuning starts from a trained model with one session that it knows and one that
// it does not: core and a readout stay, all sessions are in the new checkpoint.
func TestFineTuning(t *testing.T) {
	first := t.TempDir()
	before, err := train(t, t.Context(), tinyRun(t, first, "trainer.max_epochs=1"), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := tinyRun(t, dir, "paths.data_dir="+furtherData(t), "+paths.load_model_path="+first, "+only_train_readout=true",
		"+freeze=[readout.new_session.bias]", "model.learning_rate=0.002", "model.core.dropout_rate=0.4", "trainer.max_epochs=1")
	said := &strings.Builder{}
	after, err := trainLogged(t, c, said)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"new_sessions=new_session", "model.core.dropout_rate is 0.2 in the file, 0.4 in the config"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q was not said: %s", want, said)
		}
	}
	a, b := openCheckpoint(t, before.Best), openCheckpoint(t, after.Final)
	moved := map[string]bool{}
	for _, name := range b.State.Names() {
		x, known := a.State.Get(name)
		y, _ := b.State.Get(name)
		moved[name] = !known || string(x.Data) != string(y.Data)
	}
	statistics := []string{"running_mean", "running_var", "num_batches_tracked"} // move with every batch, as in PyTorch
	for name, changed := range moved {
		isStatistic := slices.ContainsFunc(statistics, func(s string) bool { return strings.HasSuffix(name, s) })
		switch {
		case strings.HasPrefix(name, "core.") && !isStatistic && changed:
			t.Errorf("%s is frozen and has changed", name)
		case strings.HasSuffix(name, ".features") && strings.HasPrefix(name, "readout.session_0") && !changed:
			t.Errorf("%s was trained and has not changed", name)
		}
	}
	model, err := models.Load(after.Final, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if got := strings.Join(model.Sessions(), " "); len(model.Sessions()) != 3 || !strings.Contains(got, "new_session") {
		t.Errorf("sessions are %s", got)
	}
	if model.LearningRate != 0.002 {
		t.Errorf("learning rate is %v", model.LearningRate)
	}
	checkMergedInfo(t, model, b)
}

// checkMergedInfo wants all sessions in data_info, and the frozen bias at its start.
func checkMergedInfo(t *testing.T, model *models.CoreReadout, c *checkpoint.Checkpoint) {
	t.Helper()
	for _, key := range []string{"n_neurons_dict", "mean_activity_dict", "sessions_kwargs"} {
		dict, _ := get[*pickle.Dict](model.DataInfo, key)
		for _, session := range model.Sessions() {
			if dict == nil {
				t.Fatalf("data_info has no %s", key)
			}
			if _, ok := dict.Get(session); !ok {
				t.Errorf("data_info.%s lacks %s", key, session)
			}
		}
	}
	means, _ := get[*pickle.Dict](model.DataInfo, "mean_activity_dict")
	value, _ := means.Get("new_session")
	mean, ok := checkpoint.Array(value)
	bias, found := c.State.Get("readout.new_session.bias")
	if !ok || !found || string(mean.Data) != string(bias.Data) {
		t.Error("the frozen bias of the new session is not its mean activity")
	}
}

func TestBadFineTuning(t *testing.T) {
	first := t.TempDir()
	if _, err := train(t, t.Context(), tinyRun(t, first, "trainer.max_epochs=1"), &recorder{}); err != nil {
		t.Fatal(err)
	}
	swapped := furtherData(t) // the sessions have other numbers of neurons
	files, err := filepath.Glob(filepath.Join(swapped, "new_session*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	known, _ := filepath.Glob(filepath.Join(swapped, "session_*"))
	if err := os.Rename(files[0], known[0]); err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(t.TempDir(), "junk.ckpt")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		overrides []string
		want      string
	}{
		{[]string{"+freeze=[readout.session_9]"}, `the model has no part "readout.session_9"`},
		{[]string{"+freeze=[core,readout]"}, "nothing is left to train"},
		{[]string{"+paths.load_model_path=" + first, "paths.data_dir=" + swapped}, "neurons in the model and"},
		{[]string{"+paths.load_model_path=" + t.TempDir()}, "is no run directory"},
		{[]string{"+paths.load_model_path=" + junk}, junk},
	} {
		_, err := train(t, t.Context(), tinyRun(t, t.TempDir(), c.overrides...), &recorder{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %q in it", c.overrides, err, c.want)
		}
	}
}
