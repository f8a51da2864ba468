package models

import (
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
)

// KernelSizes are those of a core's layers: a list, or one size for all layers.
type KernelSizes struct {
	Sizes []int64
	all   bool // Sizes has that of all layers
}

// Forms are those of the doc comment.
func (KernelSizes) Forms() []any { return []any{int64(0), []int64{}} }

// UnmarshalNode reads any of the forms.
func (k *KernelSizes) UnmarshalNode(n *config.Node) error {
	if k.all = n.Kind() == config.Int; k.all {
		k.Sizes = make([]int64, 1)
		return n.Decode(&k.Sizes[0])
	}
	return n.Decode(&k.Sizes)
}

// of is the size in a layer.
func (k KernelSizes) of(layer int) int64 {
	if k.all {
		return k.Sizes[0]
	}
	return k.Sizes[layer]
}

// check wants sizes for all layers. There may be more, as in a config of the Python
// package whose hidden_channels are overridden.
func (k KernelSizes) check(key string, layers int64) error {
	switch {
	case !k.all && int64(len(k.Sizes)) < layers:
		return config.Refuse(key, "%d layers, but only %d %s: %v", layers, len(k.Sizes), key, k.Sizes)
	case slices.Min(k.Sizes) < 1:
		return config.Refuse(key, "%s must be at least 1, got %v", key, k.Sizes)
	}
	return nil
}
