package schema_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/schema"
)

const tree = "../../configs"

func TestFilesAreCurrent(t *testing.T) {
	want, err := schema.Files(os.DirFS(tree))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(tree, schema.Folder, name))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is not current (%v): run make schema", name, err)
		}
		if embedded, err := fs.ReadFile(configs.FS, path.Join(schema.Folder, name)); err != nil || !bytes.Equal(embedded, got) {
			t.Errorf("%s is not in the program: %v", name, err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(tree, schema.Folder))
	if err != nil || len(entries) != len(want) {
		t.Errorf("%d files in place of %d: %v", len(entries), len(want), err)
	}
}

// compiler reads the schemas as an editor does, each once.
var compiler = jsonschema.NewCompiler()

// validate compares YAML with the schema for the options of a group.
func validate(t *testing.T, group string, text []byte) error {
	t.Helper()
	s, err := compiler.Compile(filepath.Join(tree, schema.Folder, schema.FileOf(group)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(read(t, text))
}

// read reads YAML as an editor does.
func read(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestShippedConfigsFit(t *testing.T) {
	count := 0
	err := fs.WalkDir(configs.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(configs.FS, name)
		if err != nil {
			return err
		}
		group := strings.TrimPrefix(path.Dir(name), ".")
		up := strings.Repeat("../", strings.Count(name, "/"))
		if line := "\n# yaml-language-server: $schema=" + up + schema.Folder + "/" + schema.FileOf(group) + "\n"; !strings.HasSuffix(string(text), line) {
			t.Errorf("%s does not end in%s", name, line)
		}
		if err := validate(t, group, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		count++
		return nil
	})
	if err != nil || count < 60 {
		t.Errorf("%d configs, %v", count, err)
	}
}

// TestMistakesDoNotFit has what people write: what is wrong is marked, what is right
// in Python is not.
func TestMistakesDoNotFit(t *testing.T) {
	const (
		core    = "core:\n  _target_: openretina.modules.core.base_core.SimpleCoreWrapper\n"
		chosen  = "defaults: [{model: base_core_readout}, {lr_scheduler: reduce_lr_on_plateau}, {training_callbacks: [early_stopping]}]\n"
		derived = "defaults: [hoefling_2024_core_readout_low_res, _self_]\n"
	)
	for _, test := range []struct {
		group, text string
		right       bool
	}{
		// options of groups
		{"model", core + "  gamma_input: 0.1\nhidden_channels: [8, 8]", true},
		{"model", core + "  gama_input: 0.1", false},
		{"model", core + "  gamma_input: much", false},
		{"model", core + "  gamma_input: ${some.value}", true},
		{"model", core + "  gamma_input: ???", true},
		{"model", core + "  gamma_input: 1e-3", true},
		{"model", core + "  hidden_padding: [0, 2, 2]", true},
		{"model", core + "  hidden_padding: same", true},
		{"model", core + "  hidden_padding: round", false},
		{"model", core + "  temporal_kernel_sizes: 21", false},
		{"model", core + "  temporal_kernel_sizes: ['${a}', 11]", true},
		{"model", "core: ${other.core}", true},
		{"model", "hiden_channels: [8]", false},
		{"model", "core: {_target_: openretina.modules.core.base_core.SimpleCoreWraper}", false},
		{"model", "core: {_target_: mylab.cores.Mine, anything: 3}", true},
		{"model", "core: {_target_: openretina.modules.core.gru_core.ConvGRUCore, use_gru: true}", true},
		{"model", "_target_: openretina.models.linear_nonlinear.SingleCellSeparatedLNP\nrank: 2", true},
		{"model", "_target_: openretina.models.linear_nonlinear.SingleCellSeparatedLNP\nrnak: 2", true}, // it takes **kwargs
		{"model", "_target_: openretina.models.spatial_contrast.SpatialContrastCoreReadout\nw_init: 2", true},
		{"model", "loss: {_target_: openretina.models.core_readout.PoissonLoss3d, avg: true}", true},
		{"optimizer", "_target_: torch.optim.AdamW\nlr: ${model.learning_rate}\nbetas: [0.9, 0.99]", true},
		{"optimizer", "_target_: torch.optim.AdamW\nlearning_rate: 0.1", false},
		{"optimizer", "_target_: torch.optim.AdamW\nbetas: [0.9]", false},
		{"optimizer", "_target_: torch.optim.RMSprop\nalpha: 0.9", true},
		{"optimizer", "_target_: torch.optim.AdamWW", false},
		{"lr_scheduler", "_target_: torch.optim.lr_scheduler.StepLR\nstep_size: 3\ninterval: epoch", true},
		{"lr_scheduler", "_target_: torch.optim.lr_scheduler.StepLR\nstep_sizes: 3", false},
		{"trainer", "_target_: lightning.Trainer\nmin_epochs: 3\nmax_epochs: 10", true},
		{"trainer", "_target_: lightning.Trainer\nmax_epoch: 10", false},
		{"logger", "csv: {_target_: lightning.pytorch.loggers.CSVLogger, save_dir: .}", true},
		{"logger", "csv: {_target_: lightning.pytorch.loggers.CSVLogger, savedir: .}", false},
		{"training_callbacks", "e: {_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val_loss, patience: 3.5}", false},
		{"training_callbacks", "e: null", true},
		{"data_io", "stimuli: {_target_: openretina.data_io.h5_dataset_reader.load_stimuli, base_data_path: data}\nmine: 1", true},
		{"data_io", "stimuli: {_target_: openretina.data_io.h5_dataset_reader.load_stimuli, base_path: data}", false},
		{"evaluation", "data_split: validation", true},
		{"evaluation", "datasplit: validation", false},
		{"mei", "postprocessors: null\nmax_steps: 3", true},
		{"mei", "max_step: 3", false},
		// primary configs
		{"", "seed: 1\nmine: {a: 1}\npaths: {data_dir: data, my_path: x}", true},
		{"", "seed: one", false},
		{"", "model:\n  " + strings.ReplaceAll(core, "\n", "\n  ") + "  gama_input: 1", false},
		{"", chosen + "model: {core: {gamma_input: 1}, hidden_channels: [3]}", true},
		{"", chosen + "model: {core: {gama_input: 1}}", false},
		{"", chosen + "model: {hidden_chanels: [3]}", false},
		{"", chosen + "lr_scheduler: {factor: half}", false},
		{"", chosen + "training_callbacks: {early_stopping: {patience: 3}}", true},
		{"", chosen + "training_callbacks: {early_stopping: {patients: 3}}", false},
		{"", "defaults: [{model: my_model}]\nmodel: {core: {gama_input: 1}}", true},
		{"", derived + "model: {learning_rate: 0.1}", true},
		{"", derived + "model: {learningrate: 0.1}", false},
		{"", "defaults: [hoefling_2024_core_readout_low_res, {override lr_scheduler: one_cycle_lr}]\nlr_scheduler: {pct_start: 0.2}", true},
		{"", "defaults: [hoefling_2024_core_readout_low_res, {override lr_scheduler: one_cycle_lr}]\nlr_scheduler: {patience: 2}", false},
		{"", "defaults: model", false},
	} {
		err := validate(t, test.group, []byte(test.text))
		if (err == nil) != test.right {
			t.Errorf("group %q, right is %v: %s\n%v", test.group, test.right, test.text, err)
		}
	}
}

// TestDefaultsOfPython: what Python wants to be given has no default.
func TestDefaultsOfPython(t *testing.T) {
	text, err := fs.ReadFile(configs.FS, path.Join(schema.Folder, schema.Definitions))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Definitions map[string]struct {
			Properties map[string]map[string]any
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	p := file.Definitions["lightning.pytorch.callbacks.ModelPruning"].Properties
	if _, ok := p["pruning_fn"]["default"]; ok || p["pruning_fn"] == nil {
		t.Errorf("pruning_fn is %v", p["pruning_fn"])
	}
	if p["amount"]["default"] != 0.5 {
		t.Errorf("amount is %v", p["amount"])
	}
}
