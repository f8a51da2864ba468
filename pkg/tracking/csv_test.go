package tracking

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const csvTarget = "_target_: lightning.pytorch.loggers.CSVLogger\n"

func TestCSVRows(t *testing.T) {
	dir := t.TempDir()
	l := build(t, csvTarget+"save_dir: "+dir+"\nname: null\nversion: ''\nprefix: pre")
	start(t, l, nil)
	epochs(t, l, 0, 1)
	end(t, l)
	want := "pre-epoch,pre-lr-AdamW,pre-train_loss,pre-val_loss,step\n,0.01,,,0\n0,,,1.0,7\n0,,2.0,,7\n"
	if got := read(t, dir, "metrics.csv"); got != want {
		t.Errorf("metrics.csv is\n%s, want\n%s", got, want)
	}
}

// TestCSVGoesOnAsIfItNeverStopped: what was written after the checkpoint goes away, or
// the file was lost with the machine.
func TestCSVGoesOnAsIfItNeverStopped(t *testing.T) {
	whole, dir := t.TempDir(), t.TempDir()
	l := build(t, csvTarget+"save_dir: "+whole)
	start(t, l, nil)
	epochs(t, l, 0, 5)
	end(t, l)
	l = build(t, csvTarget+"save_dir: "+dir)
	start(t, l, nil)
	epochs(t, l, 0, 2)
	state := capture(t, l)
	epochs(t, l, 2, 4)
	end(t, l)
	l = build(t, csvTarget+"save_dir: "+dir)
	start(t, l, state)
	epochs(t, l, 2, 5)
	end(t, l)
	log := filepath.Join("lightning_logs", "version_0", "metrics.csv")
	if got, want := read(t, dir, log), read(t, whole, log); got != want {
		t.Errorf("metrics.csv is\n%s, want\n%s", got, want)
	}
	elsewhere := t.TempDir()
	l = build(t, csvTarget+"save_dir: "+elsewhere)
	start(t, l, state)
	epochs(t, l, 2, 3)
	end(t, l)
	if lines := strings.Count(read(t, elsewhere, log), "\n"); lines != 1+3 {
		t.Errorf("in another directory the log has %d lines", lines)
	}
}

func TestVersionsCountOn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"version_2", "version_x", "other_9", "version_7_old"} {
		if err := os.MkdirAll(filepath.Join(dir, "runs", name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "runs", "version_30"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ version, want string }{
		{"null", "version_8"}, {"null", "version_9"}, {"3", "version_3"}, {"mine", "mine"}, {"''", ""},
	} {
		l := build(t, csvTarget+"save_dir: "+dir+"\nname: runs\nversion: "+c.version)
		start(t, l, nil)
		epochs(t, l, 0, 1)
		end(t, l)
		if read(t, dir, "runs", c.want, "metrics.csv") == "" {
			t.Errorf("version %s has no metrics", c.version)
		}
	}
}
