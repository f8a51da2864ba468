package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/config"
)

// settingWords are the settings that may be given like an override of the config.
var settingWords = []string{"device", "threads"}

// takeSettingWords sets the flags that the words device=… and threads=… stand for
// and returns the other words. They are no overrides: no config has them.
func (f *Factory) takeSettingWords(words []string) (rest []string, err error) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if !strings.Contains(word, "=") || !slices.Contains(settingWords, name) {
			rest = append(rest, word)
			continue
		}
		if flag := f.flags.Lookup(name); flag.Changed && flag.Value.String() != value {
			return nil, flagErrorf("%s contradicts --%s %s", word, name, flag.Value)
		}
		if err := f.flags.Set(name, value); err != nil {
			return nil, flagErrorf("%s: %w", word, err)
		}
	}
	return rest, nil
}

// orAdd lets the overrides that begin with a prefix add the keys that the config does
// not have.
func orAdd(words []string, prefix string) []string {
	list := slices.Clone(words)
	for i, word := range list {
		if strings.HasPrefix(word, prefix) {
			list[i] = "++" + word
		}
	}
	return list
}

// noWords refuses words that a command has no use for.
func noWords(words []string) error {
	if len(words) > 0 {
		return flagErrorf("unexpected word %q", words[0])
	}
	return nil
}

// wordsNamed makes a command want words: at least one of that name, and at most
// limit where it is positive. An empty word (a shell variable that is not set) is no
// name of anything; as a directory it would be the working directory.
func wordsNamed(name string, limit int) cobra.PositionalArgs {
	return func(_ *cobra.Command, words []string) error {
		if len(words) == 0 || slices.Contains(words, "") {
			return flagErrorf("%s is missing", name)
		}
		if limit > 0 && len(words) > limit {
			return noWords(words[limit:])
		}
		return nil
	}
}

// noArgs is noWords for a command that takes flags only.
func noArgs(_ *cobra.Command, words []string) error { return noWords(words) }

// hydraFlags are the short flags of Hydra's command line, which have two letters.
var hydraFlags = map[string]string{"-cp": "--config-path", "-cn": "--config-name", "-cd": "--config-dir"}

// longFlags spells out Hydra's short flags, which pflag would take for two flags,
// and the value of --info, which may be left out.
func longFlags(args []string) []string {
	long := slices.Clone(args)
	for i, arg := range long {
		if arg == "--" {
			break
		}
		name, value, hasValue := strings.Cut(arg, "=")
		if full, ok := hydraFlags[name]; ok {
			if long[i] = full; hasValue {
				long[i] += "=" + value
			}
		}
		if (arg == "--info" || arg == "-i") && (i+1 == len(long) || !slices.Contains(config.InfoNames(), long[i+1])) {
			long[i] = "--info=" + config.InfoNames()[0]
		}
	}
	return long
}
