package models

import (
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// describeArchitecture names the classes and looks at the tensors.
func (d *Description) describeArchitecture(c *checkpoint.Checkpoint, hyper *pickle.Dict) {
	d.Core, d.Readout = partClass(hyper, "core"), partClass(hyper, "readout")
	d.Class = modelClass(c, hyper)
	if d.Class == exampleClass && d.Core == "" { // its arguments make these
		d.Core = "openretina.modules.core.base_core.SimpleCoreWrapper"
		d.Readout = "openretina.modules.readout.multi_readout.MultiGaussianMaskReadout"
	}
	if d.Class == legacyModel {
		d.Core, d.Readout = legacyCore, legacyReadout
	}
	times := integers(hyper, "temporal_kernel_sizes")
	if legacy := integers(hyper, "temporal_kernel_size"); legacy != nil {
		times = legacy
	}
	if core, ok := entry[*pickle.Dict](hyper, "core"); ok {
		times = integers(core, "temporal_kernel_sizes")
	}
	d.Kernels = kernels(c.State, times)
	trained := trainedParts(hyper)
	for _, name := range c.State.Names() {
		a, _ := c.State.Get(name)
		if isBuffer(name, trained) {
			d.Buffers += int64(a.Len())
		} else {
			d.Parameters += int64(a.Len())
		}
	}
}

// partClass is the class of a core or readout, which is a config, or in older files a
// whole module.
func partClass(hyper *pickle.Dict, key string) string {
	v, _ := hyper.Get(key)
	switch v := v.(type) {
	case *pickle.Object:
		return v.Class.String()
	case *pickle.Dict:
		name, ok := entry[string](v, config.TargetKey)
		if !ok {
			name, _ = entry[string](v, "__module__") // of a module in JSON
		}
		return name
	}
	return ""
}

// modelClass tells the class, which files do not name, by its arguments, or by the
// tensors where there are none.
func modelClass(c *checkpoint.Checkpoint, hyper *pickle.Dict) string {
	if HoldsAutoencoder(c) {
		return AutoencoderTarget
	}
	for _, stored := range storedClasses {
		if _, ok := hyper.Get(stored.argument); ok {
			return stored.class
		}
	}
	_, time := c.State.Get("time_conv.weight")
	_, space := c.State.Get("space_conv.weight")
	if hyper.Len() == 0 && time && space {
		return lnpClass
	}
	return ""
}

// kernels finds the convolutions, but for those of readouts, by the names and shapes of
// their weights; times are the lengths of those that keep waves.
func kernels(state *checkpoint.State, times []int64) (found []Kernel) {
	separable := 0
	for _, name := range state.Names() {
		a, _ := state.Get(name)
		layer, last, ok := cutLast(name)
		if !ok || !strings.HasPrefix(last, "weight") || len(a.Shape) < 4 || strings.HasPrefix(name, "readout.") {
			continue
		}
		k := Kernel{Name: layer, Out: int64(a.Shape[0]), In: int64(a.Shape[1]), Time: 1}
		k.Height, k.Width = int64(a.Shape[len(a.Shape)-2]), int64(a.Shape[len(a.Shape)-1])
		switch {
		case last == "weight_spatial":
			k.Time = 0
			if separable < len(times) {
				k.Time = times[separable]
			}
			separable++
		case len(a.Shape) == 5:
			k.Time = int64(a.Shape[2])
		}
		found = append(found, k)
	}
	return found
}

func cutLast(name string) (before, last string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// buffers are the names that PyTorch's layers and the package's give to tensors that
// are no parameters.
var buffers = []string{
	"running_mean", "running_var", "num_batches_tracked", "_log_speed_default", "filter", "grid",
	"source_grid", "feature_sharing_index", "grid_sharing_index",
	"spatial_filter", "spatial_filters", "temporal_filter", "temporal_filters", "spatial_filter_sum", "sf_sums",
}

// optional are tensors of readouts that are parameters where an argument says so.
type optional struct{ scale, bias bool }

func trainedParts(hyper *pickle.Dict) optional {
	trained := optional{true, true}
	set := func(d *pickle.Dict, key string, to *bool) {
		if v, ok := entry[bool](d, key); ok {
			*to = v
		}
	}
	if readout, ok := entry[*pickle.Dict](hyper, "readout"); ok {
		set(readout, "scale", &trained.scale)
		set(readout, "bias", &trained.bias)
		set(readout, "readout_bias", &trained.bias)
	}
	set(hyper, "readout_scale", &trained.scale)
	set(hyper, "readout_bias", &trained.bias)
	return trained
}

func isBuffer(name string, trained optional) bool {
	_, last, _ := cutLast(name)
	readout := strings.HasPrefix(name, "readout.")
	return slices.Contains(buffers, last) || readout && (last == "scale_param" && !trained.scale || last == "bias" && !trained.bias)
}
