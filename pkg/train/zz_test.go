package train
import ("testing";"github.com/open-retina/openretina-go/pkg/torch")
func TestStepsLeakOne(t *testing.T) { torch.SetThreads(1); defer torch.SetThreads(0); TestStepsLeakNothing(t) }
