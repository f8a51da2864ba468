package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// An interrupted training goes on from the config and the checkpoint that it left.
func TestInterruptedTrainingContinues(t *testing.T) {
	t.Parallel()
	run := filepath.Join(t.TempDir(), "run")
	cmd, stderr := train(t, run)
	interrupt(t, cmd, os.Interrupt)
	code, rest := end(t, cmd, stderr)
	if code != 130 {
		t.Fatalf("exit code is %d, stderr %s", code, rest)
	}
	epochs := 1
	for _, m := range regexp.MustCompile(`(?m)^epoch (\d+)\S* train_loss`).FindAllStringSubmatch(rest, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		epochs = n + 1
	}
	cmd, stderr = start(t, nil, "train", "--progress=none", "--config="+filepath.Join(run, ".hydra", "config.yaml"),
		"paths.output_dir="+run, "trainer.ckpt_path=last", fmt.Sprintf("trainer.max_epochs=%d", epochs+2))
	code, rest = end(t, cmd, stderr)
	if code != 0 || !strings.Contains(rest, "continuing") || !strings.Contains(rest, fmt.Sprintf("epoch %d/%d train_loss", epochs+1, epochs+2)) {
		t.Errorf("exit code is %d, stderr %s", code, rest)
	}
	cmd, stderr = start(t, nil, "eval", "--model="+run)
	if code, rest := end(t, cmd, stderr); code != 0 {
		t.Errorf("eval: exit code is %d, stderr %s", code, rest)
	}
}
