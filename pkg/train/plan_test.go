package train

import "testing"

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
