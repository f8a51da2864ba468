package train

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
)

// readPrecision reads what a GPU may do for speed: trainer.precision (bf16-mixed
// computes convolutions in bfloat16) and matmul_precision, the argument of
// torch.set_float32_matmul_precision (high and medium allow TF32).
func (p *Plan) readPrecision() error {
	switch text := fmt.Sprint(p.trainer.Precision); {
	case p.trainer.Precision == nil || text == "32-true" || text == "32":
	case text == "bf16-mixed":
		p.precision.BFloat16Convolutions = true
		p.Notes = append(p.Notes, "trainer.precision=bf16-mixed: convolutions on a GPU are in bfloat16, all else is in float32")
	default:
		p.Notes = append(p.Notes, fmt.Sprintf("trainer.precision=%s: computing in float32", text))
	}
	n, ok := p.cfg.Root.At("matmul_precision.precision")
	if !ok {
		return nil
	}
	var word string
	if err := n.Decode(&word); err != nil {
		return err
	}
	switch word {
	case "highest":
	case "high", "medium":
		p.precision.TF32 = true
	default:
		return config.Errorf(n, "matmul_precision.precision must be highest, high or medium, got %q", word)
	}
	return nil
}
