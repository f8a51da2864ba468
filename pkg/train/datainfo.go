package train

import (
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/ndarray"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// dataInfo is what a checkpoint keeps about its data, as compute_data_info of the
// Python package makes it.
func dataInfo(d *data.Dataset) (*pickle.Dict, error) {
	neurons, activity, kwargs := pickle.NewDict(), pickle.NewDict(), pickle.NewDict()
	for _, s := range d.Sessions {
		mean, err := ndarray.FromFloat32(s.MeanActivity, len(s.MeanActivity))
		if err != nil {
			return nil, err
		}
		neurons.SetString(s.Name, int64(s.Neurons))
		activity.SetString(s.Name, &checkpoint.Tensor{Array: mean})
		fields := pickle.NewDict()
		for _, f := range s.Fields {
			fields.SetString(f.Name, fieldValue(f.Value))
		}
		kwargs.SetString(s.Name, fields)
	}
	shape := pickle.Tuple{}
	for _, size := range d.Info.InputShape {
		shape = append(shape, int64(size))
	}
	info := pickle.NewDict("n_neurons_dict", neurons, "mean_activity_dict", activity, "input_shape", shape,
		"sessions_kwargs", kwargs, "stim_mean", d.Info.StimMean, "stim_std", d.Info.StimStd)
	for _, p := range d.Info.Extra {
		if name, ok := p.Key.(string); ok {
			info.SetString(name, plainTree(p.Value))
		}
	}
	return info, nil
}

func fieldValue(v any) any {
	switch v := v.(type) {
	case []string:
		return listOf(v)
	case []int64:
		return listOf(v)
	}
	return v
}

func listOf[T any](values []T) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

// plainTree turns a value of a config into one of a checkpoint.
func plainTree(v any) any {
	switch v := v.(type) {
	case config.Object:
		d := pickle.NewDict()
		for _, p := range v {
			if name, ok := p.Key.(string); ok {
				d.SetString(name, plainTree(p.Value))
			}
		}
		return d
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = plainTree(item)
		}
		return list
	}
	return v
}

// mergeInfo adds to the data_info of the data what a trained model knows of sessions that
// are not in it.
func mergeInfo(info *pickle.Dict, m *models.CoreReadout) error {
	old := m.DataInfo
	if old == nil {
		old = pickle.NewDict()
	}
	for i := range old.Len() {
		key, value := old.At(i)
		name, _ := key.(string)
		theirs, isDict := value.(*pickle.Dict)
		ours, has := get[*pickle.Dict](info, name)
		switch {
		case isDict && has:
			for j := range theirs.Len() {
				session, v := theirs.At(j)
				if _, ok := ours.Get(session); !ok {
					if err := ours.Set(session, v); err != nil {
						return err
					}
				}
			}
		case strings.HasPrefix(name, "pretrained_performance"), name == "model_cut_frames": // of the model before
		default:
			if _, ok := info.Get(key); !ok {
				if err := info.Set(key, value); err != nil {
					return err
				}
			}
		}
	}
	neurons, _ := get[*pickle.Dict](info, "n_neurons_dict")
	for _, session := range m.Sessions() {
		n, err := m.NumNeurons(session)
		if err != nil {
			return err
		}
		neurons.SetString(session, int64(n))
	}
	return nil
}
