package tracking

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/pkg/tracking/tfevents/tfeventstest"
)

func TestWandbWritesFilesToSync(t *testing.T) {
	dir := t.TempDir()
	l := build(t, "{_target_: lightning.pytorch.loggers.wandb.WandbLogger, project: retina, offline: false, log_model: all, save_dir: "+dir+"}")
	files := filepath.Join(dir, "wandb", "tensorboard")
	if note := l.(Noter).Note(); !strings.Contains(note, "`wandb sync --project retina "+files+"`") {
		t.Errorf("the note is %s", note)
	}
	start(t, l, nil)
	epochs(t, l, 0, 1)
	end(t, l)
	if events := tfeventstest.ReadDir(t, files); len(events) != 5 {
		t.Errorf("events are %+v", events)
	}
}
