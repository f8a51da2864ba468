package train

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
)

// recordedRun composes the recorded experiment of TestTrainingEqualsThePythonPackages.
func recordedRun(t *testing.T, dir string, overrides ...string) *config.Config {
	t.Helper()
	o, err := config.Locate(config.Flags{Config: "../evaluation/testdata/create_data/config.yaml"}, configs.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	o.Overrides = append([]string{
		"paths.data_dir=../evaluation/testdata/create_data/data", "paths.output_dir=" + dir, "paths.log_dir=.", "seed=1",
	}, overrides...)
	c, err := config.Compose(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The recorded trainings: metrics.csv of openretina 1.1.1 with Lightning, of which
// testdata/trainer/README.md tells. The rows of the test after training are not there.
var recordedTrainings = map[string][]string{
	"every_second": {
		"trainer.max_epochs=3", "+trainer.check_val_every_n_epoch=2", "lr_scheduler.frequency=2", "trainer.accumulate_grad_batches=3",
	},
	"inside": {"trainer.max_epochs=2", "+trainer.val_check_interval=3"},
	"across": {
		"trainer.max_epochs=2", "+trainer.val_check_interval=5", "+trainer.check_val_every_n_epoch=null", "lr_scheduler.interval=step",
		"lr_scheduler.patience=0", "lr_scheduler.threshold=10", "lr_scheduler.frequency=6",
	},
	"steps": {
		"trainer.max_epochs=9", "+trainer.max_steps=7", "trainer.log_every_n_steps=2", "training_callbacks.lr_monitor.logging_interval=step",
		"trainer.gradient_clip_val=0.01", "+trainer.gradient_clip_algorithm=value", "trainer.accumulate_grad_batches=3",
	},
	"cycle": {
		"trainer.max_epochs=2", "trainer.log_every_n_steps=1", "training_callbacks.lr_monitor.logging_interval=null",
		"~lr_scheduler", "+lr_scheduler={_target_:torch.optim.lr_scheduler.OneCycleLR,max_lr:0.01,interval:step}",
		"~optimizer", "+optimizer={_target_:torch.optim.SGD,lr:0.01,momentum:0.5}",
		"trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=0.5",
	},
}

func TestTrainerArgumentsDoWhatLightningsDo(t *testing.T) {
	for name, overrides := range recordedTrainings {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := train(t, t.Context(), recordedRun(t, dir, overrides...), &recorder{}); err != nil {
				t.Fatal(err)
			}
			want := readMetrics(t, filepath.Join("testdata", "trainer", name+".csv"))
			got := readMetrics(t, filepath.Join(dir, "csv", "metrics.csv"))
			if len(got) < len(want) {
				t.Fatalf("%d rows, want %d", len(got), len(want))
			}
			for i := range want {
				compareRows(t, i+1, got[i], want[i])
			}
		})
	}
}

// readMetrics are the rows of a metrics.csv, without empty values.
func readMetrics(t *testing.T, path string) (rows []map[string]float64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records[1:] {
		row := map[string]float64{}
		for i, text := range record {
			if text == "" {
				continue
			}
			if row[records[0][i]], err = strconv.ParseFloat(text, 64); err != nil {
				t.Fatal(err)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func compareRows(t *testing.T, line int, got, want map[string]float64) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		tolerance := 1e-3*math.Abs(w) + 1e-3
		if strings.HasSuffix(name, "evaluation_loss") {
			tolerance = 0.1 // the correlations of responses that hardly vary yet turn on their last bits
		}
		if !ok || math.Abs(g-w) > tolerance {
			t.Errorf("row %d: %s is %v, want %v", line, name, g, w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && name != meanLossMetric {
			t.Errorf("row %d: %s is there, with %v", line, name, got[name])
		}
	}
}

func TestMonitorsThatContradictTheirMetricAreRefused(t *testing.T) {
	const correlation, poisson = "+model.evaluation_loss={_target_:openretina.modules.losses.CorrelationLoss3d,avg:true,negate:",
		"+model.evaluation_loss={_target_:openretina.modules.losses.PoissonLoss3d,avg:true}"
	for _, c := range []struct {
		overrides []string
		want      []string // empty: it is right
	}{
		{nil, nil},
		{[]string{correlation + "false}"}, nil},
		{[]string{"training_callbacks.early_stopping.mode=min"}, []string{
			"command line 'training_callbacks.early_stopping.mode=min': mode: min contradicts the metric, since val_evaluation_loss is better when it is higher: set mode to max",
		}},
		{[]string{"training_callbacks.model_checkpoint.monitor=train_loss"}, []string{"train_loss is better when it is lower: set mode to min"}},
		{[]string{"lr_scheduler.monitor=val_total_loss"}, []string{"val_total_loss is better when it is lower: set mode to min"}},
		{[]string{correlation + "true}", "training_callbacks.early_stopping.mode=min"}, []string{
			"reduce_lr_on_plateau.yaml:", "model_checkpoint.yaml:",
		}},
		{[]string{poisson, "training_callbacks.early_stopping.mode=min", "training_callbacks.model_checkpoint.mode=min", "model.lr_scheduler=null"}, nil},
		{[]string{"training_callbacks.early_stopping.monitor=val_evaluation_los"}, []string{`did you mean "val_evaluation_loss"?`}},
		{[]string{"training_callbacks.early_stopping.monitor=mine", "training_callbacks.early_stopping.strict=false"}, nil},
		{[]string{"+trainer.limit_val_batches=0", "~training_callbacks.model_checkpoint", "model.lr_scheduler=null"}, []string{"needs a validation"}},
	} {
		_, err := NewPlan(tinyRun(t, t.TempDir(), c.overrides...))
		list := problemsOf(err)
		if len(list) != len(c.want) {
			t.Errorf("%v: error is %v, want %q", c.overrides, err, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(list[i].Error(), want) {
				t.Errorf("%v: %v, want %q in it", c.overrides, list[i], want)
			}
		}
	}
}

// TestGoldinsScheduleIsRefused: the Python package's config lets the schedule wait for a
// Poisson loss to rise.
func TestGoldinsScheduleIsRefused(t *testing.T) {
	const mistake = "mode: max contradicts the metric, since val_evaluation_loss is better when it is lower"
	contradicts := func(overrides ...string) bool {
		_, err := NewPlan(composed(t, "goldin_2022_core_readout", overrides...))
		return slices.ContainsFunc(problemsOf(err), func(e *config.Error) bool { return strings.Contains(e.Error(), mistake) })
	}
	if !contradicts() || contradicts("lr_scheduler.mode=min") {
		t.Error("the schedule of goldin_2022_core_readout is not as it should be")
	}
}

// TestMaxTimeMayBeRaised: a training that max_time has ended goes on where it is given
// more, and says in its result what ended it.
func TestMaxTimeMayBeRaised(t *testing.T) {
	dir := t.TempDir()
	short, err := train(t, t.Context(), tinyRun(t, dir, "+trainer.max_time={_target_: datetime.timedelta, microseconds: 1}"), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if short.Epochs != 1 || !strings.Contains(short.StopReason, "trainer.max_time") {
		t.Fatalf("%d epochs, %q", short.Epochs, short.StopReason)
	}
	again, err := train(t, t.Context(), tinyRun(t, dir, "+trainer.max_time={_target_: datetime.timedelta, microseconds: 1}", "trainer.ckpt_path=last"), &recorder{})
	if err != nil || again.Epochs != 1 || again.StopReason != short.StopReason {
		t.Fatalf("%+v, %v", again, err)
	}
	long, err := train(t, t.Context(), tinyRun(t, dir, "+trainer.max_time='00:01:00:00'", "trainer.ckpt_path=last"), &recorder{})
	if err != nil || long.Epochs != 3 || long.StopReason != "" {
		t.Fatalf("%+v, %v", long, err)
	}
}

// TestTheBestModelIsOfTheFirstCallbackThatKeepsOne: in result.json and in the run
// directory alike.
func TestTheBestModelIsOfTheFirstCallbackThatKeepsOne(t *testing.T) {
	dir := t.TempDir()
	const target = "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, "
	result, err := train(t, t.Context(), tinyRun(t, dir, "trainer.max_epochs=1", "training_callbacks.model_checkpoint=null",
		"+training_callbacks.none="+target+"save_top_k: 0}", "+training_callbacks.best="+target+"monitor: val_loss, filename: best}"), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	best, err := BestCheckpoint(dir)
	if want := filepath.Join(dir, checkpointsDir, "best.ckpt"); err != nil || best != want || result.Best != want || result.Monitored.Metric != "val_loss" {
		t.Errorf("best is %s in the run, %+v in its result, %v", best, result, err)
	}
}
