package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
)

// decodeAt reads what stands under a path; what is absent or null leaves the value as
// it is.
func decodeAt(root *config.Node, path string, to any) error {
	n, err := root.Select(path)
	if err != nil || n == nil || n.Kind() == config.Null {
		return err
	}
	return n.Read(to)
}

// fillFlags gives the flags that the line leaves out the values that a node of the
// config has under their names.
func fillFlags(cmd *cobra.Command, c *config.Config, node string, names ...string) error {
	n, err := c.Root.Select(node)
	if err != nil || n == nil {
		return err
	}
	if n, err = n.Resolve(); err != nil {
		return err
	}
	for name, value := range n.Fields() {
		kind := value.Kind()
		switch {
		case !slices.Contains(names, name):
			return config.Errorf(value, "unknown key %q%s", name, suggest(name, names, ""))
		case kind == config.List || kind == config.Map:
			return config.Errorf(value, "%s must be a word", value.Path())
		case kind == config.Null || kind == config.Missing || cmd.Flags().Changed(name):
			continue
		}
		if err := cmd.Flags().Set(name, value.Text()); err != nil {
			return config.Errorf(value, "%s: %v", value.Path(), err)
		}
	}
	return nil
}
