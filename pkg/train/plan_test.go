package train

import (
	"slices"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/torch"
)

// Training takes hours: what is wrong with a config is said before any data is read.
func TestBadConfigsAreRefusedBeforeDataIsRead(t *testing.T) {
	for override, want := range map[string]string{
		"model.core.spatial_kernel_sizes=[50,3]": "layer 0: a kernel of [6×50×50] does not fit",
		"model.core.dropout_rate=2":              "dropout_rate must be at least 0 and below 1",
		"model.core.convolution_type=full":       "Temporal smoothness not supported",
		"+model.lr_scheduler={_target_:torch.optim.lr_scheduler.ReduceLROnPlateau,factor:1.5}": "factor 1.5 should be < 1.0",
		"+model.optimizer={_target_:torch.optim.SGD,lr:-1}":                                    "invalid learning rate: -1",
		"+trainer.limit_val_batches=-1":                                                        "must be a number of batches, or a part of them between 0.0 and 1.0",
		"+trainer.limit_val_batches=1.5":                                                       "must be a number of batches, or a part of them between 0.0 and 1.0",
		"++matmul_precision.precision=fast":                                                    "must be highest, high or medium",
		"model.core._target_=openretina.unknown.Core":                                          "unknown core",
	} {
		cfg := tinyRun(t, t.TempDir(), override, "paths.data_dir=/nowhere")
		if _, err := NewPlan(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q in it", override, err, want)
		}
	}
}

func TestPrecisionOnAGPU(t *testing.T) {
	p, err := NewPlan(tinyRun(t, t.TempDir(), "++trainer.precision=bf16-mixed", "++matmul_precision.precision=high"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (torch.Precision{TF32: true, BFloat16Convolutions: true}); p.precision != want {
		t.Errorf("precision is %+v, want %+v", p.precision, want)
	}
	if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.HasPrefix(n, "trainer.precision=bf16-mixed: ") }) {
		t.Errorf("notes are %q", p.Notes)
	}
	p, err = NewPlan(tinyRun(t, t.TempDir(), "++trainer.precision=32-true", "++matmul_precision.precision=highest"))
	if err != nil || p.precision != (torch.Precision{}) {
		t.Errorf("precision is %+v, %v", p.precision, err)
	}
}

// Lightning takes null for most arguments.
func TestNullTrainerArguments(t *testing.T) {
	for _, key := range []string{
		"gradient_clip_val", "+gradient_clip_algorithm", "ckpt_path", "+log_every_n_steps", "+enable_progress_bar",
		"+enable_model_summary", "+enable_checkpointing", "+num_sanity_val_steps", "max_epochs", "+limit_train_batches",
	} {
		word := "trainer." + key + "=null"
		if key[0] == '+' {
			word = "+trainer." + key[1:] + "=null"
		}
		if _, err := NewPlan(tinyRun(t, t.TempDir(), word)); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
}
