package insilico_test

import (
	"context"
	"fmt"
	"log"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/models"
)

// The most exciting input of one neuron, with the default settings.
func ExampleOptimize() {
	model, err := models.Load("../models/testdata/checkpoints/hoefling_low_res/checkpoint.ckpt", models.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	text, err := configs.FS.ReadFile("mei/default.yaml")
	if err != nil {
		log.Fatal(err)
	}
	node, err := config.FromYAML("mei/default.yaml", text)
	if err != nil {
		log.Fatal(err)
	}
	settings, err := insilico.FromConfig(node)
	if err != nil {
		log.Fatal(err)
	}
	neurons, err := insilico.FindNeurons(model, "", []int{3})
	if err != nil {
		log.Fatal(err)
	}
	result, err := insilico.Optimize(context.Background(), model, settings.Objective.Targets(neurons), settings, insilico.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Targets[0], result.Stimulus.Shape, result.Objective[0][10] > result.Objective[0][0])
	// Output: neuron 3 of session session_1_ventral1_20200226 [1 2 50 18 16] true
}
