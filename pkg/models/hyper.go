package models

import (
	"fmt"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// hyperNode makes a config tree of a checkpoint's hyperparameters. data_info is
// left out: it describes the data, not the model.
func hyperNode(d *pickle.Dict) (*config.Node, error) {
	var object config.Object
	for i := range d.Len() {
		key, value := d.At(i)
		if key == "data_info" || key == ownArguments {
			continue
		}
		object = append(object, config.Pair{Key: key, Value: plainValue(value)})
	}
	n, err := config.FromValue(object)
	if err != nil {
		return nil, err
	}
	own, _ := d.Get(ownArguments)
	if own, ok := own.(*pickle.Dict); ok {
		for i := range own.Len() {
			key, value := own.At(i)
			if err := n.Set(fmt.Sprint(key), plainValue(value)); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// ownArguments are those that the Python class would fail on, which ignores arguments
// that it does not know; they replace what it gets in their place.
const ownArguments = "openretina_go"

// pythonLoss is what the Python class gets for a loss: PoissonLoss3d without arguments
// of ours; its default where it takes modules, not configs of them.
func (m *CoreReadout) pythonLoss(n *config.Node) (*config.Node, error) {
	switch {
	case n.Kind() != config.Map:
		return n, nil
	case m.lossModules:
		return config.FromValue(nil)
	}
	var object config.Object
	for name, value := range n.Fields() {
		if name != "reduction" && name != "gamma_reference" {
			object = append(object, config.Pair{Key: name, Value: value})
		}
	}
	return config.FromValue(object)
}

// plainValue turns a value of a checkpoint's tree into one of config's.
func plainValue(v any) any {
	switch v := v.(type) {
	case *pickle.Dict:
		object := make(config.Object, 0, v.Len())
		for i := range v.Len() {
			key, value := v.At(i)
			object = append(object, config.Pair{Key: key, Value: plainValue(value)})
		}
		return object
	case pickle.Tuple:
		return plainList(v)
	case []any:
		return plainList(v)
	case *pickle.Object:
		return plainObject(v)
	}
	if a, ok := checkpoint.Array(v); ok {
		values := make([]any, a.Len())
		for i := range values {
			values[i] = a.At(i)
		}
		return values
	}
	return v
}

func plainList(items []any) []any {
	list := make([]any, len(items))
	for i, item := range items {
		list[i] = plainValue(item)
	}
	return list
}

// plainObject turns a pickled loss module into the config that makes it; other
// whole modules, which older files hold beside the arguments that made them, are
// left out.
func plainObject(o *pickle.Object) any {
	if !slices.Contains(Losses.Targets(), o.Class.String()) {
		return nil
	}
	object := config.Object{{Key: config.TargetKey, Value: o.Class.String()}}
	for _, a := range []struct{ attribute, argument string }{
		{"bias", "bias"},
		{"eps", "bias"},
		{"per_neuron", "per_neuron"},
		{"avg", "avg"},
		{"negate", "negate"},
		{"scale", "scale"},
		{"gamma_l1", "gamma_l1"},
	} {
		if value, ok := o.Attr(a.attribute); ok {
			object = append(object, config.Pair{Key: a.argument, Value: value})
		}
	}
	return object
}

// tupleArguments are lists that the Python package's own files hold as tuples.
var tupleArguments = []string{"in_shape", "hidden_channels", "rf_location", "spat_kernel_size", "spat_crop_size"}

// HyperParameters are what a checkpoint stores to rebuild the model, in the order
// of UnifiedCoreReadout's arguments, with dataInfo among them. Configs are marked
// as the DictConfig objects that the Python package needs.
func (m *CoreReadout) HyperParameters(dataInfo *pickle.Dict) (*pickle.Dict, error) {
	if m.Hyper == nil {
		return nil, fmt.Errorf("the model has no hyperparameters to save")
	}
	if dataInfo != nil {
		m.nameCells(dataInfo)
	}
	hyper, own := pickle.NewDict(), pickle.NewDict()
	for name, n := range m.Hyper.Fields() {
		if name == "loss" || name == "evaluation_loss" || name == "validation_loss" {
			python, err := m.pythonLoss(n)
			if err != nil {
				return nil, err
			}
			if python.Kind() != n.Kind() || len(python.Keys()) != len(n.Keys()) {
				own.SetString(name, treeValue(n.Value(), false))
			}
			n = python
		}
		if name == "in_shape" && dataInfo != nil {
			hyper.SetString("data_info", dataInfo)
		}
		value := treeValue(n.Value(), true)
		if list, ok := value.([]any); ok && slices.Contains(tupleArguments, name) {
			value = pickle.Tuple(list)
		}
		hyper.SetString(name, value)
	}
	if own.Len() > 0 {
		hyper.SetString(ownArguments, own)
	}
	return hyper, nil
}

// treeValue is the inverse of plainValue; asConfig marks the outermost dict as a
// DictConfig.
func treeValue(v any, asConfig bool) any {
	switch v := v.(type) {
	case config.Object:
		d := pickle.NewDict()
		if asConfig {
			d.Class = checkpoint.DictConfig
		}
		for _, p := range v {
			d.SetString(fmt.Sprint(p.Key), treeValue(p.Value, false))
		}
		return d
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = treeValue(item, false)
		}
		return list
	}
	return v
}
