package config

import "path"

// HydraFiles are the files that Hydra leaves in the directory of a run, by their
// slash-separated paths in it: .hydra/config.yaml, .hydra/hydra.yaml and
// .hydra/overrides.yaml. hydra.output_subdir names another folder, or none by null.
func (c *Config) HydraFiles() (map[string][]byte, error) {
	folder, err := c.Hydra.Select("output_subdir")
	if err != nil || folder == nil || folder.isNull() {
		return nil, err
	}
	overrides, err := FromValue(append([]string{}, c.Overrides...))
	if err != nil {
		return nil, err
	}
	hydra := newMap(Origin{})
	hydra.put("hydra", c.Hydra.clone())
	files := map[string][]byte{}
	for name, n := range map[string]*Node{"config": c.Root, "hydra": hydra, "overrides": overrides} {
		files[path.Join(folder.Text(), name+".yaml")] = writeYAML(n, false)
	}
	return files, nil
}
