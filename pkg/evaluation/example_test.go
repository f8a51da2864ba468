package evaluation_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/evaluation"
	"github.com/open-retina/openretina-go/pkg/models"
)

// A model on every test stimulus of a data set.
func ExampleRun() {
	const dir = "testdata/create_data/"
	model, err := models.Load(dir+"checkpoint.ckpt", models.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	text, err := os.ReadFile(dir + "config.yaml")
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := config.FromYAML("config.yaml", text)
	if err != nil {
		log.Fatal(err)
	}
	if err := cfg.Set("paths.data_dir", dir+"data"); err != nil {
		log.Fatal(err)
	}
	dataset, err := data.Load(context.Background(), cfg, data.Options{})
	if err != nil {
		log.Fatal(err)
	}
	results, err := evaluation.Run(context.Background(), model, dataset, evaluation.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Printf("%s: %.3f\n", r.Report.Split, r.Report.Score())
	}
	// Output:
	// random_noise_1: -0.021
	// random_noise_2: -0.092
}
