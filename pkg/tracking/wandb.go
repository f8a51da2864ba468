package tracking

import (
	"path/filepath"

	"github.com/open-retina/openretina-go/pkg/config"
)

// wandbConfig are the arguments of lightning.pytorch.loggers.WandbLogger, and those of
// wandb.init that it passes on.
type wandbConfig struct {
	Name           *string `yaml:"name"`
	SaveDir        *string `yaml:"save_dir"`
	Version        *string `yaml:"version"`
	Offline        bool    `yaml:"offline"`
	Dir            *string `yaml:"dir"`
	ID             *string `yaml:"id"`
	Anonymous      *bool   `yaml:"anonymous"`
	Project        *string `yaml:"project"`
	LogModel       any     `yaml:"log_model"`
	Prefix         string  `yaml:"prefix"`
	CheckpointName *string `yaml:"checkpoint_name"`
	AddFilePolicy  string  `yaml:"add_file_policy"`

	Entity   *string      `yaml:"entity"`
	Group    *string      `yaml:"group"`
	JobType  *string      `yaml:"job_type"`
	Tags     []string     `yaml:"tags"`
	Notes    *string      `yaml:"notes"`
	Mode     *string      `yaml:"mode"`
	Resume   any          `yaml:"resume"`
	Config   *config.Node `yaml:"config"`
	Settings *config.Node `yaml:"settings"`
	Reinit   any          `yaml:"reinit"`
}

func defaultWandb() wandbConfig {
	dir, project := ".", "lightning_logs"
	return wandbConfig{SaveDir: &dir, Project: &project, LogModel: false, AddFilePolicy: "mutable"}
}

func (c wandbConfig) build(struct{}) (Logger, error) {
	settings := defaultTensorBoard()
	none := version("")
	settings.Name, settings.Version, settings.Prefix = nil, &none, c.Prefix
	settings.SaveDir = deref(c.SaveDir)
	if c.Dir != nil {
		settings.SaveDir = *c.Dir
	}
	settings.SaveDir = filepath.Join(settings.SaveDir, "wandb", "tensorboard")
	return &wandbLogger{tensorBoardLogger{tensorBoardConfig: settings}, deref(c.Project)}, nil
}

// wandbLogger stands for Lightning's WandbLogger: Weights and Biases is reached by its own
// program alone, which uploads TensorBoard files. So it writes those.
type wandbLogger struct {
	tensorBoardLogger
	project string
}

// Note tells how to upload.
func (l *wandbLogger) Note() string {
	return "Weights and Biases is not reached from here: TensorBoard files are written, and `wandb sync --project " + l.project +
		" " + l.SaveDir + "` uploads them"
}
