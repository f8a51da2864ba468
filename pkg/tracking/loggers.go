package tracking

import "github.com/open-retina/openretina-go/pkg/config"

// Loggers are the loggers' _target_ names.
var Loggers = &config.Registry[struct{}, Logger]{What: "logger"}

func init() { //nolint:gochecknoinits // fills the table above, nothing else
	const module = "lightning.pytorch.loggers."
	for _, name := range []string{"CSVLogger", "csv_logs.CSVLogger"} {
		config.Register(Loggers, module+name, csvConfig{Directory: defaultDirectory(), FlushEvery: 100}, csvConfig.build)
	}
	for _, name := range []string{"MLFlowLogger", "mlflow.MLFlowLogger"} {
		config.Register(Loggers, module+name, defaultMLflow(), mlflowConfig.build)
	}
	for _, name := range []string{"WandbLogger", "wandb.WandbLogger"} {
		config.Register(Loggers, module+name, defaultWandb(), wandbConfig.build)
	}
	for _, name := range []string{"TensorBoardLogger", "tensorboard.TensorBoardLogger"} {
		config.Register(Loggers, module+name, defaultTensorBoard(), tensorBoardConfig.build)
	}
}
