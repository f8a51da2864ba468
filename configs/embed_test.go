package configs_test

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
)

// TestEmbedded finds every file of the directory in the program.
func TestEmbedded(t *testing.T) {
	count := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		count++
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := fs.ReadFile(configs.FS, path)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not embedded: %v", path, err)
		}
		return nil
	})
	if err != nil || count < 60 {
		t.Errorf("%d files, %v", count, err)
	}
}

// Example composes a config that the program ships with, with a change.
func Example() {
	c, err := config.Compose(config.Options{
		Sources:    []config.Source{{FS: configs.FS, Path: "configs", Provider: "main"}},
		ConfigName: "hoefling_2024",
		Overrides:  []string{"model.hidden_channels=[32,32]", "lr_scheduler=step_lr"},
		Env:        func(string) (string, bool) { return "/cache", true },
	})
	if err != nil {
		panic(err)
	}
	scheduler, err := c.Root.Select("model.lr_scheduler")
	if err != nil {
		panic(err)
	}
	var step struct {
		StepSize int     `yaml:"step_size"`
		Gamma    float64 `yaml:"gamma"`
		Interval string  `yaml:"interval"`
		Every    int     `yaml:"frequency"`
		Last     int     `yaml:"last_epoch"`
		Monitor  *string `yaml:"monitor"`
	}
	if err := scheduler.Decode(&step); err != nil {
		panic(err)
	}
	fmt.Println("the rate times", step.Gamma, "after every", step.StepSize, step.Interval+"s")
	// Output: the rate times 0.1 after every 10 epochs
}

// TestSchedulesFitTheSimulatedRetina: every schedule may take the place of its own, whose
// settings would be unknown to another.
func TestSchedulesFitTheSimulatedRetina(t *testing.T) {
	files, err := fs.Glob(configs.FS, "lr_scheduler/*.yaml")
	if err != nil || len(files) < 7 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "lr_scheduler/"), ".yaml")
		c, err := config.Compose(config.Options{
			Sources:    []config.Source{{FS: configs.FS, Path: "configs", Provider: "main"}},
			ConfigName: "simulated_retina",
			Overrides:  []string{"lr_scheduler=" + name},
		})
		if err != nil {
			t.Fatal(err)
		}
		schedule, err := c.Root.Select("lr_scheduler")
		if err != nil {
			t.Fatal(err)
		}
		_, patience := schedule.Get("patience")
		target, err := config.Target(schedule)
		if plateau := strings.HasSuffix(target, ".ReduceLROnPlateau"); err != nil || patience != plateau {
			t.Errorf("%s: %s has a patience: %v (%v)", name, target, patience, err)
		}
	}
}
