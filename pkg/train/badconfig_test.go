package train

import (
	"errors"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
)

// composed composes a primary config as a user's command line does. Data is nowhere.
func composed(t *testing.T, name string, overrides ...string) *config.Config {
	t.Helper()
	c, err := compose(t, name, overrides...)
	if err != nil {
		t.Fatalf("%s %v: %v", name, overrides, err)
	}
	return c
}

func compose(t *testing.T, name string, overrides ...string) (*config.Config, error) {
	t.Helper()
	o, err := config.Locate(config.Flags{Config: name}, configs.FS, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o.Env = func(name string) (string, bool) { return "/nowhere", name == "OPENRETINA_CACHE_DIRECTORY" }
	o.Overrides = overrides
	return config.Compose(o)
}

// problemsOf are the problems that an error of NewPlan holds.
func problemsOf(err error) config.ErrorList {
	var list config.ErrorList
	var one *config.Error
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &one):
		return config.ErrorList{one}
	}
	return nil
}

// wrongValues are wrong for almost every key.
var wrongValues = []string{"wrong", "[1]", "{a:b}", "-1.5", "true", "null", "???", "'${nope}'"}

// A value of the wrong type anywhere in a config is either of no consequence or told
// with its place; it never ends the program.
func TestWrongValuesAreToldWithTheirPlace(t *testing.T) {
	if testing.Short() {
		t.Skip("composes a thousand configs")
	}
	tryWrongValues(t, "simulated_retina", "", "paths.data_dir=/nowhere")
	tryWrongValues(t, "hoefling_2024", "data_io.", "seed=1") // what it does not share with the other
	tryWrongValues(t, "hoefling_2024", "dataloader.", "seed=1")
}

func tryWrongValues(t *testing.T, name, below, given string) {
	t.Helper()
	c := composed(t, name, given)
	if _, err := NewPlan(c); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	tried, refused := 0, 0
	for _, path := range paths(c.Root) {
		if !strings.HasPrefix(path, below) {
			continue
		}
		for _, value := range wrongValues {
			word := "++" + path + "=" + value
			c, err := compose(t, name, given, word)
			if err != nil {
				continue // config groups
			}
			tried++
			if _, err = NewPlan(c); err == nil {
				continue
			}
			refused++
			checkPlaces(t, name+" "+word, err)
		}
	}
	if refused < tried/2 {
		t.Errorf("%s: only %d of %d wrong values are refused", name, refused, tried)
	}
}

func checkPlaces(t *testing.T, what string, err error) {
	t.Helper()
	list := problemsOf(err)
	if len(list) == 0 {
		t.Errorf("%s: %v is no error of the config", what, err)
	}
	for _, e := range list {
		if e.Origin == (config.Origin{}) || e.Key == "" {
			t.Errorf("%s: %v has no place", what, e)
		}
	}
}

// paths are those of all values of a tree but of the elements of lists.
func paths(n *config.Node) (list []string) {
	for key, c := range n.Fields() {
		if key == config.TargetKey || !strings.ContainsAny(key, ".=") {
			list = append(list, c.Path())
		}
		list = append(list, paths(c)...)
	}
	return list
}

// The configs that need what the program lacks are refused, not half understood.
func TestAllPrimaryConfigsArePlannedOrRefusedWithTheirPlace(t *testing.T) {
	for _, name := range config.Primaries(configs.FS) {
		cfg := composed(t, name)
		_, err := NewPlan(cfg)
		if IsAutoencoder(cfg) {
			_, err = NewAutoencoderPlan(cfg)
		}
		if err != nil {
			checkPlaces(t, name, err)
		}
	}
}

// TestCallbackWithoutAName: the Python package's optimizer_reset.yaml gives its callback
// no name of its own.
func TestCallbackWithoutAName(t *testing.T) {
	const data = "paths.data_dir=/nowhere"
	p, err := NewPlan(composed(t, "simulated_retina", data, "training_callbacks=[early_stopping,optimizer_reset]"))
	if err != nil {
		t.Fatal(err)
	}
	if p.callbacks.reset == nil || len(p.callbacks.early) != 1 {
		t.Errorf("callbacks %+v", p.callbacks)
	}
	_, err = NewPlan(composed(t, "simulated_retina", data, "training_callbacks=optimizer_reset", "+training_callbacks.patience=3"))
	if err == nil || !strings.Contains(err.Error(), `unknown key "patience"`) {
		t.Errorf("accepted: %v", err)
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	_, err := NewPlan(composed(t, "simulated_retina", "paths.data_dir=/nowhere", "seed=many", "~data_io.stimuli.norm_std",
		"++data_io.stimuli.norm_sdt=1", "dataloader.batch_size=0", "dataloader.clip_length=long", "model.core.dropout_rate=2",
		"++model.core.gama_input=1", "model.core.convolution_type=fourier", "model.readout.scale=???", "optimizer.lr=-1",
		"++optimizer.betas=[0.9,2]", "lr_scheduler.factor='${nope}'", "++model.loss={_target_:openretina.modules.losses.PoissonLos3d}",
		"training_callbacks.early_stopping.mode=up", "++training_callbacks.model_checkpoint.save_top_k=three",
		"logger.csv.version=1.5", "++trainer.max_epoch=3", "trainer.accumulate_grad_batches=0", "++matmul_precision.precision=fast",
		"++only_train_readuot=true", "~only_train_readout", "++mine=1"))
	wants := []string{
		`command line '++data_io.stimuli.norm_sdt=1': unknown key "norm_sdt" (did you mean "norm_std"?)`,
		`configs/data_io/hdf5_reader.yaml:6: data_io.stimuli has no "norm_std", which is needed`,
		"command line 'seed=many': seed must be an integer, not a string (many)",
		"command line 'dataloader.batch_size=0': batch_size is 0, but must be positive",
		"command line 'dataloader.clip_length=long': dataloader.clip_length must be an integer, not a string (long)",
		"command line 'model.core.dropout_rate=2': dropout_rate must be at least 0 and below 1, got 2",
		`command line '++model.core.gama_input=1': unknown key "gama_input" (did you mean "gamma_input"?)`,
		"command line 'model.core.convolution_type=fourier': Un-implemented conv_type fourier",
		"command line 'model.readout.scale=???': model.readout.scale is ??? and needs a value",
		"invalid learning rate: -1",
		"invalid beta parameter at index 1: 2",
		"Interpolation key 'nope' not found",
		`unknown loss "openretina.modules.losses.PoissonLos3d" (did you mean "openretina.modules.losses.PoissonLoss3d"?)`,
		`command line 'training_callbacks.early_stopping.mode=up': EarlyStopping: mode "up" is neither min nor max`,
		"training_callbacks.model_checkpoint.save_top_k must be an integer, not a string (three)",
		`command line 'logger.csv.version=1.5': logger.csv.version: want a text, a number, or null for the next free one`,
		`command line '++trainer.max_epoch=3': unknown key "max_epoch" (did you mean "max_epochs"?)`,
		"command line 'trainer.accumulate_grad_batches=0': trainer.accumulate_grad_batches must be at least 1, got 0",
		`command line '++matmul_precision.precision=fast': matmul_precision.precision must be highest, high or medium, got "fast"`,
		`command line '++only_train_readuot=true': unknown key "only_train_readuot" (did you mean "only_train_readout"?)`,
	}
	list := problemsOf(err)
	for _, want := range wants {
		found := 0
		for _, e := range list {
			if strings.Contains(e.Error(), want) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%q is told %d times", want, found)
		}
	}
	if len(list) != len(wants) {
		t.Errorf("%d problems, want %d", len(list), len(wants))
	}
	if t.Failed() {
		for _, e := range list {
			t.Log(e)
		}
	}
}
