package models_test

import (
	"context"
	"fmt"
	"log"

	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// The responses of all of a model's neurons to fifty frames of grey.
// models.LoadPretrained loads a model by its name instead of its file.
func Example() {
	ctx := context.Background()
	model, err := models.Load("testdata/checkpoints/hoefling_low_res/checkpoint.ckpt", models.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	stimulus, err := ndarray.New(ndarray.Float32, model.StimulusShape(50)...)
	if err != nil {
		log.Fatal(err)
	}
	responses, err := model.Respond(ctx, stimulus, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stimulus", stimulus.Shape, "responses", responses.Shape)
	// Output: stimulus [1 2 50 18 16] responses [1 20 12]
}
