package train

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/models"
)

// RootKeys are the keys outside the groups of options that training reads. Others may
// stand beside them: they are the user's own variables.
type RootKeys struct {
	Seed          *uint32  `yaml:"seed"`
	EnsembleSeeds []uint32 `yaml:"ensemble_seeds"`
	Match         bool     `yaml:"check_stimuli_responses_match"` // for the data
	OnlyReadout   bool     `yaml:"only_train_readout"`
	// Freeze names parts of the model that are not trained.
	Freeze []string `yaml:"freeze"`
	// Objective is the metric that a search judges the training by.
	Objective     *string `yaml:"objective_target"`
	Compatibility *string `yaml:"compatibility"`
	Matmul        struct {
		Precision string `yaml:"precision"`
	} `yaml:"matmul_precision"`
	Paths struct {
		OutputDir string `yaml:"output_dir"`
		// LoadModel is the trained model to start from.
		LoadModel *string `yaml:"load_model_path"`
	} `yaml:"paths"`
}

func defaultRoot() (k RootKeys) {
	k.Matmul.Precision = highestPrecision
	return k
}

// The words of the key compatibility.
const (
	releaseNumbers   = "1.1.1"
	correctedNumbers = "head"
)

// readRoot reads the RootKeys.
func (p *Plan) readRoot() error {
	p.root = defaultRoot()
	var problems config.Problems
	eachKey(reflect.ValueOf(&p.root).Elem(), "", func(_, path string, to any) { problems.Add(p.decode(path, to)) })
	if n, err := p.cfg.Root.Select("model"); err == nil && n != nil {
		p.conventions = models.ConventionsOf(n)
	}
	for _, check := range []func() error{p.checkOutput, p.checkStart, p.checkObjective, p.checkCompatibility} {
		problems.AddAt(p.cfg.Root, check())
	}
	p.Seed = randomSeed()
	if p.root.Seed != nil {
		p.Seed = uint64(*p.root.Seed)
	}
	return problems.Err()
}

func (p *Plan) checkOutput() error {
	p.OutputDir = p.root.Paths.OutputDir
	if _, ok := p.cfg.Root.At("paths.output_dir"); !ok {
		return config.Refuse("paths.output_dir", "the config has no paths.output_dir")
	}
	return nil
}

func (p *Plan) checkObjective() error {
	p.objective = orElse(p.root.Objective, "")
	if known := p.validationMetrics(); p.root.Objective != nil && !slices.Contains(known, p.objective) {
		return config.Refuse("objective_target", "objective_target %q is no metric of the validation: %s", p.objective, strings.Join(known, ", "))
	}
	return nil
}

func (p *Plan) checkCompatibility() error {
	version := orElse(p.root.Compatibility, releaseNumbers)
	if p.corrected = version == correctedNumbers; p.corrected || version == releaseNumbers {
		return nil
	}
	return config.Refuse("compatibility", "compatibility must be %q (numbers as the release of the Python package) "+
		"or %q (as its later sources, where they correct the release), got %q", releaseNumbers, correctedNumbers, version)
}

// eachKey visits the keys that a struct describes: the path of the mapping that has the
// key, the key's own path, and where its value belongs.
func eachKey(v reflect.Value, mapping string, visit func(mapping, path string, to any)) {
	for i := range v.NumField() {
		path, to := v.Type().Field(i).Tag.Get("yaml"), v.Field(i)
		if mapping != "" {
			path = mapping + "." + path
		}
		if to.Kind() == reflect.Struct {
			eachKey(to, path, visit)
			continue
		}
		visit(mapping, path, to.Addr().Interface())
	}
}

// knownNames are the keys that training reads, by the mapping that has them.
func knownNames() map[string][]string {
	known := map[string][]string{
		"":        {"data_io", "dataloader", "logger", "matmul_precision", "model", "paths", "trainer", "training_callbacks"},
		"data_io": {"data_info", "responses", "stimuli"},
	}
	eachKey(reflect.ValueOf(&RootKeys{}).Elem(), "", func(mapping, path string, _ any) {
		known[mapping] = append(known[mapping], strings.TrimPrefix(path, mapping+"."))
	})
	return known
}

// checkNames looks for keys that are nearly those that training reads, where these
// are absent: they are mistyped, not variables.
func (p *Plan) checkNames() error {
	var problems config.Problems
	known := knownNames()
	for _, path := range slices.Sorted(maps.Keys(known)) {
		n := p.cfg.Root
		if path != "" {
			var ok bool
			if n, ok = n.At(path); !ok {
				continue
			}
		}
		absent := slices.DeleteFunc(slices.Clone(known[path]), func(name string) bool { _, ok := n.Get(name); return ok })
		for key, value := range n.Fields() {
			if near, ok := config.Nearest(key, absent); ok && !slices.Contains(known[path], key) {
				e := config.Errorf(value, "unknown key %q", key)
				e.Hint = fmt.Sprintf("did you mean %q?", near)
				problems.Add(e)
			}
		}
	}
	return problems.Err()
}
