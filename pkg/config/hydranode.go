package config

import "embed"

// hydraFiles is Hydra's own config: the hydra node and the groups below it.
//
//go:embed hydra
var hydraFiles embed.FS

// hydraTypes names the parts of the hydra node whose keys are fixed, by the classes
// that describe them in Hydra. The keys are those of hydra/config.yaml.
var hydraTypes = map[string]string{
	"hydra":                             "HydraConf",
	"hydra.run":                         "RunDir",
	"hydra.sweep":                       "SweepDir",
	"hydra.overrides":                   "OverridesConf",
	"hydra.job":                         "JobConf",
	"hydra.job.config":                  "JobConfig",
	"hydra.job.config.override_dirname": "OverrideDirname",
	"hydra.runtime":                     "RuntimeConf",
	"hydra.help":                        "HelpConf",
	"hydra.hydra_help":                  "HydraHelpConf",
}

// checkHydraKeys refuses keys that Hydra does not know in a config that is about to
// be merged. The groups that hydra/config itself chooses come before its keys.
func checkHydraKeys(root, content *Node) error {
	if _, complete := root.At("hydra.runtime"); !complete {
		return nil
	}
	known, given := root.child("hydra"), content.child("hydra")
	if given == nil {
		return nil
	}
	if err := checkKnownKeys(known, given); err != nil {
		return err
	}
	return checkHydraValues("hydra", given, false)
}

func checkKnownKeys(known, given *Node) error {
	if hydraTypes[known.Path()] == "" || known.shape != mapShape || given.shape != mapShape {
		return nil
	}
	for _, c := range given.children {
		if known.Path() == "hydra" && c.key == "defaults" {
			continue // a field of HydraConf without effect
		}
		k := known.child(c.key)
		if k == nil {
			return unknownKey(classKey, known, keyText(c.key)).at(c)
		}
		if err := checkKnownKeys(k, c); err != nil {
			return err
		}
	}
	return nil
}
