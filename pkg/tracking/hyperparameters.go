package tracking

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/pytext"
	"github.com/open-retina/openretina-go/pkg/tracking/tfevents"
)

// Hyperparameters are those of the model, a mapping.
type Hyperparameters struct {
	*config.Node
	// Tuples are the keys whose lists are tuples in Python, which shows in texts.
	Tuples []string
}

// hparamsFile is where Lightning's loggers of files keep the hyperparameters.
const hparamsFile = "hparams.yaml"

// write writes them as Lightning's save_hparams_to_yaml does.
func (h Hyperparameters) write(dir string) error {
	text, err := config.ToYAML(h.Node, true)
	if err != nil {
		return err
	}
	return fileio.WriteBytes(filepath.Join(dir, hparamsFile), text)
}

// param is a hyperparameter as Lightning flattens them: its name is the path with
// slashes; the value is nil, a bool, a number or a text.
type param struct {
	name  string
	value any
}

// flatten lists the hyperparameters. Lists are texts, except those of mappings, whose
// items are named by their number.
func (h Hyperparameters) flatten() ([]param, error) {
	resolved, err := h.Resolve()
	if err != nil {
		return nil, err
	}
	return h.appendTo(nil, "", resolved), nil
}

func (h Hyperparameters) appendTo(list []param, path string, n *config.Node) []param {
	switch n.Kind() {
	case config.Map:
		for key, child := range n.Fields() {
			list = h.appendTo(list, joined(path, key), child)
		}
		return list
	case config.List:
		if items := n.Items(); !slices.ContainsFunc(items, func(i *config.Node) bool { return i.Kind() != config.Map }) && len(items) > 0 {
			for i, item := range items {
				list = h.appendTo(list, joined(path, strconv.Itoa(i)), item)
			}
			return list
		}
		return append(list, param{path, h.listText(path, n)})
	}
	return append(list, param{path, n.Value()})
}

// listText is str() of a list or a tuple.
func (h Hyperparameters) listText(path string, n *config.Node) string {
	text := n.Text()
	if !slices.Contains(h.Tuples, path) {
		return text
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if n.Len() == 1 {
		text += ","
	}
	return "(" + text + ")"
}

func joined(path, key string) string {
	if path == "" {
		return key
	}
	return path + "/" + key
}

// text is str() of a value in Python.
func (p param) text() string {
	switch v := p.value.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return pytext.Float(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	text, _ := p.value.(string)
	return text
}

// hparam is the value for TensorBoard: a bool is a number there, as Python has it.
func (p param) hparam() tfevents.HParam {
	h := tfevents.HParam{Name: p.name}
	switch v := p.value.(type) {
	case bool:
		h.Value = 0.0
		if v {
			h.Value = 1.0
		}
	case int64:
		h.Value = float64(v)
	case float64:
		h.Value = v
	default:
		h.Value = p.text()
	}
	return h
}
