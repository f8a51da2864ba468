package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// shorter are the words that keep a command of the README short in tests, by the
// command they follow.
var shorter = []struct{ command, words string }{
	{"openretina train --config hoefling_2024", " trainer.max_epochs=1 +trainer.limit_train_batches=2 dataloader.batch_size=2" +
		" model.in_shape=[2,50,3,2] model.core.spatial_kernel_sizes=[1,1] model.core.hidden_padding=0" +
		" paths.output_dir=hoefling"},
	{"openretina train --config simulated_retina", " trainer.max_epochs=1 +trainer.limit_train_batches=2 +trainer.limit_test_batches=1"},
	{"openretina mei", " mei.max_steps=2"},
}

// needsDownload are commands of the README that work with what only the hub has.
const needsDownload = "openretina train --config hoefling_2024\n"

// TestReadme runs every command of the README, in its order: those of the program
// as they stand, followed by words that make them short; of the others it checks
// that what they name is there.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?ms)^```(?:sh)?\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1) {
		for line := range strings.Lines(block[1]) {
			switch {
			case strings.HasPrefix(line, "openretina "):
				script.WriteString(readmeLine(line))
			case strings.HasPrefix(line, "make "):
				checkTarget(t, strings.Fields(line)[1])
			case strings.HasPrefix(line, "apt-get "):
			default:
				t.Errorf("README has a command that no test runs: %s", line)
			}
		}
	}
	runScript(t, script.String())
}

func readmeLine(line string) string {
	if line == needsDownload {
		return "exits 1 " + strings.TrimSpace(line) + "\nstderr 'openretina download '\n"
	}
	for _, s := range shorter {
		if strings.HasPrefix(line, s.command) {
			return "exec " + strings.TrimSpace(line) + s.words + "\n"
		}
	}
	return "exec " + line
}

// checkTarget wants a target of the Makefile.
func checkTarget(t *testing.T, target string) {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(makefile), fmt.Sprintf("\n%s:", target)) {
		t.Errorf("README has make %s, which the Makefile does not", target)
	}
}

// runScript runs a script beside the files that the README's commands start from:
// a stimulus, and recordings in the format of Höfling et al. 2024.
func runScript(t *testing.T, script string) {
	t.Helper()
	recordings, err := filepath.Abs("../../pkg/data/testdata/hoefling")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	start := "env HF_ENDPOINT=$HUB\nenv OPENRETINA_CACHE_DIRECTORY=cache\n" +
		"npy movie.npy float32 2x50x18x16 0.5\ncp $RECORDINGS/responses.zip responses.zip\ncp $RECORDINGS/movies.pickle movies.pickle\n"
	if err := os.WriteFile(filepath.Join(dir, "readme.txtar"), []byte(start+script), 0o600); err != nil {
		t.Fatal(err)
	}
	params := scriptParams(t)
	setup := params.Setup
	params.Dir = dir
	params.Setup = func(env *testscript.Env) error {
		env.Setenv("RECORDINGS", recordings)
		return setup(env)
	}
	testscript.Run(t, params)
}
