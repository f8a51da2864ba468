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
		if key == "data_info" {
			continue
		}
		object = append(object, config.Pair{Key: key, Value: plainValue(value)})
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

// HyperParameters are what a checkpoint stores to rebuild the model, in the order
// of UnifiedCoreReadout's arguments, with dataInfo among them. Configs are marked
// as the DictConfig objects that the Python package needs.
func (m *CoreReadout) HyperParameters(dataInfo *pickle.Dict) (*pickle.Dict, error) {
	if m.Hyper == nil {
		return nil, fmt.Errorf("the model has no hyperparameters to save")
	}
	hyper := pickle.NewDict()
	for name, n := range m.Hyper.Fields() {
		if name == "in_shape" && dataInfo != nil {
			hyper.SetString("data_info", dataInfo)
		}
		value := treeValue(n.Value(), true)
		if list, ok := value.([]any); ok && (name == "in_shape" || name == "hidden_channels") {
			value = pickle.Tuple(list)
		}
		hyper.SetString(name, value)
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
