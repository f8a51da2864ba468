package train

import (
	"strings"
	"testing"
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
		"model.core._target_=openretina.unknown.Core":                                          "unknown core",
	} {
		cfg := tinyRun(t, t.TempDir(), override, "paths.data_dir=/nowhere")
		if _, err := NewPlan(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q in it", override, err, want)
		}
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
