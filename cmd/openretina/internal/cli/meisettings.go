package cli

import (
	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/insilico"
)

// meiDefaults is where the built-in settings are. Where --config or the line choose
// another class, its arguments do not start from those of the built-in one.
const meiDefaults = "configs/mei/default.yaml"

// meiSettings composes the node mei.
func meiSettings(f *Factory, flags *configFlags, words []string) (*insilico.Settings, error) {
	composed, err := flags.compose(f, words)
	if err != nil {
		return nil, err
	}
	if err := startJob(composed, false); err != nil {
		return nil, err
	}
	node, err := composed.Root.Select("mei")
	if err != nil {
		return nil, err
	}
	config.Retarget(node, meiDefaults)
	return insilico.FromConfig(node)
}
