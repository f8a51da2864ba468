package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
)

// goldenCallbacks is what testdata/callbacks/make.py recorded of Lightning's callbacks.
type goldenCallbacks struct {
	Checkpoints []struct {
		Arguments []map[string]any  `json:"arguments"`
		CheckVal  int               `json:"check_val"`
		Values    [][3]string       `json:"values"`
		Keys      []string          `json:"keys"`
		States    []checkpointsSeen `json:"states"`
	} `json:"checkpoints"`
	Stopping []struct {
		Arguments map[string]any `json:"arguments"`
		Values    []string       `json:"values"`
		Key       string         `json:"key"`
		States    []struct {
			Stop   bool   `json:"stop"`
			Wait   int    `json:"wait"`
			Best   string `json:"best"`
			Reason int    `json:"reason"`
			Epoch  int    `json:"epoch"`
		} `json:"states"`
	} `json:"stopping"`
}

type checkpointsSeen struct {
	Files     map[string]string `json:"files"`
	Callbacks []callbackSeen    `json:"callbacks"`
}

type callbackSeen struct {
	Best   string            `json:"best"`
	Kth    string            `json:"kth"`
	Last   string            `json:"last"`
	Score  *float64          `json:"score"`
	Scores map[string]string `json:"scores"`
}

func readGoldenCallbacks(t *testing.T) (golden goldenCallbacks) {
	t.Helper()
	raw, err := os.ReadFile("testdata/callbacks/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	// Python writes NaN and infinity, which JSON does not know.
	text := strings.NewReplacer(":NaN", ":null", ":Infinity", ":1e999").Replace(string(raw))
	decoder := json.NewDecoder(strings.NewReader(strings.ReplaceAll(text, ":1e999", ":null")))
	decoder.UseNumber()
	if err := decoder.Decode(&golden); err != nil {
		t.Fatal(err)
	}
	return golden
}

// buildCallback makes a callback of its arguments, as a config would.
func buildCallback(t *testing.T, to *callbacks, class string, arguments map[string]any) {
	t.Helper()
	object := config.Object{{Key: config.TargetKey, Value: "lightning.pytorch.callbacks." + class}}
	for name, value := range arguments {
		if number, ok := value.(json.Number); ok {
			if n, err := number.Int64(); err == nil {
				value = n
			} else if value, err = number.Float64(); err != nil {
				t.Fatal(err)
			}
		}
		if name == "train_time_interval" {
			value = config.Object{{Key: config.TargetKey, Value: timedeltaTarget}, {Key: "seconds", Value: value}}
		}
		object = append(object, config.Pair{Key: name, Value: value})
	}
	n, err := config.FromValue(object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Callbacks.Build(n, to); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// apply does changes to files whose content is what kind of checkpoint they are.
func (c *changes) apply() error {
	for _, w := range c.Write {
		content := "all"
		if w.WeightsOnly {
			content = "weights"
		}
		if err := os.MkdirAll(filepath.Dir(w.Path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(w.Path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	for _, l := range c.Links {
		if err := symlink(l.To, l.Path); err != nil {
			return err
		}
	}
	for _, path := range c.Remove {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// filesBelow gives the files of a directory with their contents, "link" for links.
func filesBelow(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path) // it is below
		if d.Type()&os.ModeSymlink != 0 {
			found[name] = "link"
			return nil
		}
		content, err := os.ReadFile(path)
		found[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestModelCheckpointDecidesAsLightning follows the real callback's names, choices,
// links and removals, after each batch and each epoch.
func TestModelCheckpointDecidesAsLightning(t *testing.T) {
	const batches = 3
	for _, c := range readGoldenCallbacks(t).Checkpoints {
		arguments, _ := json.Marshal(c.Arguments) // for messages
		root := t.TempDir()
		all := &callbacks{}
		for _, a := range c.Arguments {
			a = maps.Clone(a)
			dir, _ := a["dir"].(string)
			delete(a, "dir")
			a["dirpath"] = filepath.Join(root, dir)
			buildCallback(t, all, "ModelCheckpoint", a)
		}
		all.prepare(filepath.Join(root, "nowhere"), c.CheckVal == 1)
		if got := fmt.Sprint(all.stateKeys()); got != fmt.Sprint(c.Keys) {
			t.Errorf("%s: keys are %s, want %s", arguments, got, c.Keys)
		}
		states := c.States
		m := moment{}
		ask := func(question func(*modelCheckpoint, *changes) error) {
			ch := &changes{}
			if err := all.each(func(c *modelCheckpoint) error { return question(c, ch) }); err != nil {
				t.Fatalf("%s: %v", arguments, err)
			}
			if err := ch.apply(); err != nil {
				t.Fatalf("%s: %v", arguments, err)
			}
		}
		compare := func() {
			compareCheckpoints(t, fmt.Sprintf("%s at epoch %d, step %d", arguments, m.epoch, m.step), root, all, states[0])
			states = states[1:]
		}
		for epoch, values := range c.Values {
			m.epoch = epoch
			validates := (epoch+1)%c.CheckVal == 0
			for batch := range batches {
				m.step++
				m.beforeValidation = batch == batches-1 && validates
				ask(func(c *modelCheckpoint, ch *changes) error {
					_, err := c.batchEnd(m, time.Now(), ch)
					return err
				})
				compare()
			}
			if validates {
				m.validated = true
				m.metrics = update(m.metrics, []metric{{"val_loss", number(t, values[1])}, {"val/score", number(t, values[2])}})
				ask(func(c *modelCheckpoint, ch *changes) error { return c.validationEnd(m, ch) })
			}
			m.metrics = update(m.metrics, []metric{{"train_loss", number(t, values[0])}})
			ask(func(c *modelCheckpoint, ch *changes) error { return c.trainEpochEnd(m, ch) })
			compare()
		}
		ask(func(c *modelCheckpoint, ch *changes) error { return c.trainEnd(m, ch) })
		compare()
	}
}

func compareCheckpoints(t *testing.T, when, root string, all *callbacks, want checkpointsSeen) {
	t.Helper()
	if files := filesBelow(t, root); !maps.Equal(files, want.Files) {
		t.Errorf("%s: files are %v, want %v", when, files, want.Files)
	}
	relative := func(path string) string {
		if path == "" {
			return ""
		}
		name, _ := filepath.Rel(root, path) // it is below
		return name
	}
	for i, c := range all.checkpoints {
		w := want.Callbacks[i]
		if got := [3]string{relative(c.BestPath), relative(c.KthPath), relative(c.LastPath)}; got != [3]string{w.Best, w.Kth, w.Last} {
			t.Errorf("%s: best, kth, last are %q, want %q, %q, %q", when, got, w.Best, w.Kth, w.Last)
		}
		if score := c.bestScore(); w.Score != nil && (score == nil || *score != *w.Score) {
			t.Errorf("%s: best score is %v, want %v", when, score, *w.Score)
		}
		if len(c.Best) != len(w.Scores) {
			t.Errorf("%s: %d best, want %d", when, len(c.Best), len(w.Scores))
		}
		for _, s := range c.Best {
			if text, ok := w.Scores[relative(s.Path)]; !ok || number(t, text) != float64(s.Score) {
				t.Errorf("%s: score of %s is %v, want %s", when, relative(s.Path), s.Score, text)
			}
		}
	}
}

// TestEarlyStoppingDecidesAsLightning follows the real callback's counts and reasons.
func TestEarlyStoppingDecidesAsLightning(t *testing.T) {
	for _, c := range readGoldenCallbacks(t).Stopping {
		c.Arguments["monitor"] = "val_loss"
		all := &callbacks{}
		buildCallback(t, all, "EarlyStopping", c.Arguments)
		e := all.early[0]
		if e.stateKey() != c.Key {
			t.Errorf("key is %s, want %s", e.stateKey(), c.Key)
		}
		for epoch, want := range c.States {
			reason, err := e.check(moment{epoch: epoch, metrics: []metric{{"val_loss", number(t, c.Values[epoch])}}})
			if err != nil {
				t.Fatal(err)
			}
			best := number(t, want.Best)
			if (reason != "") != want.Stop || e.Wait != want.Wait || float64(e.Best) != best && !math.IsNaN(best) ||
				int(e.Reason) != want.Reason || e.StoppedEpoch != want.Epoch {
				t.Errorf("%v %v at epoch %d: %q, %+v, want %+v", c.Arguments, c.Values, epoch, reason, e.earlyStoppingState, want)
			}
		}
	}
}

// TestEarlyStoppingStrict: without the metric a strict one fails, another one waits.
func TestEarlyStoppingStrict(t *testing.T) {
	for _, strict := range []bool{true, false} {
		all := &callbacks{}
		buildCallback(t, all, "EarlyStopping", map[string]any{"monitor": "val_losss", "strict": strict})
		reason, err := all.early[0].check(moment{metrics: []metric{{"val_loss", 1}}})
		if (err != nil) != strict || reason != "" || strict && !strings.Contains(err.Error(), "val_losss") {
			t.Errorf("strict %v: %q, %v", strict, reason, err)
		}
	}
}
