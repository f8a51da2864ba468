package train

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
)

// highestPrecision is the word of matmul_precision.precision for float32.
const highestPrecision = "highest"

// readPrecision reads what a GPU may do for speed: trainer.precision, and
// matmul_precision, the argument of torch.set_float32_matmul_precision (high and medium
// allow TF32). On the CPU, and for losses everywhere, all is float32.
func (p *Plan) readPrecision() error {
	switch word := fmt.Sprint(p.trainer.Precision); word {
	case "<nil>", "32", "32-true":
	case "bf16", "bf16-mixed":
		p.precision.BFloat16Convolutions = true
		p.Notes = append(p.Notes, "trainer.precision="+word+": convolutions on a GPU are in bfloat16, all else is in float32")
	case "16", "16-mixed":
		p.precision.TF32 = true
		p.Notes = append(p.Notes, "trainer.precision="+word+": products on a GPU are in TF32, which has float16's digits and float32's range; "+
			"all else is in float32")
	default:
		n, _ := p.cfg.Root.At("trainer.precision")
		return config.Errorf(n, "trainer.precision=%s is not supported: weights are float32. Choose 32-true, 16-mixed or bf16-mixed", word)
	}
	switch word := p.root.Matmul.Precision; word {
	case highestPrecision:
	case "high", "medium":
		p.precision.TF32 = true
	default:
		n, _ := p.cfg.Root.At("matmul_precision.precision")
		return config.Errorf(n, "matmul_precision.precision must be highest, high or medium, got %q", word)
	}
	return nil
}
