package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/open-retina/openretina-go/pkg/data/hub"
)

// Settings are how the program runs, not what it computes: that is the config's.
// Each comes from its flag, else from its environment variable, else from the
// settings file, else it has its default.
type Settings struct {
	// Device is auto, cpu, cuda or cuda:N.
	Device string
	// Threads is the number of CPU threads; 0 is one for each core.
	Threads int
	// CacheDir is where downloads go; ~/ stands for the user's home.
	CacheDir string
	LogLevel slog.Level
	// Progress is auto, bar, lines or none.
	Progress string
}

// setting describes where one of the Settings comes from.
type setting struct {
	key, flag, env string
	value          string // the default
	usage          string
	read           func(s *Settings, text string) error
}

const envSettings = "OPENRETINA_SETTINGS"

var settingTable = []setting{
	{
		"device", "device", "OPENRETINA_DEVICE", autoDevice, "where to compute: auto, cpu, cuda or cuda:N",
		func(s *Settings, text string) error { s.Device = text; return checkDevice(text) },
	},
	{
		"threads", "threads", "OPENRETINA_THREADS", "0", "CPU threads; 0 is one for each core",
		func(s *Settings, text string) (err error) {
			if s.Threads, err = strconv.Atoi(text); err != nil || s.Threads < 0 {
				return errors.New("want a number of threads, or 0 for one on each core")
			}
			return nil
		},
	},
	{
		"cache_dir", "cache-dir", hub.EnvCacheDir, "~/openretina_cache", "folder for downloads",
		func(s *Settings, text string) error { s.CacheDir = text; return nil },
	},
	{
		"log_level", "log-level", "OPENRETINA_LOG_LEVEL", "info", "least important messages to show: debug, info, warn or error",
		func(s *Settings, text string) error {
			if s.LogLevel.UnmarshalText([]byte(text)) != nil {
				return errors.New("want debug, info, warn or error")
			}
			return nil
		},
	},
	{
		"progress", "progress", "OPENRETINA_PROGRESS", "auto", "how to show progress: auto, bar, lines or none",
		func(s *Settings, text string) error {
			if s.Progress = text; !slices.Contains([]string{"auto", "bar", "lines", "none"}, text) {
				return errors.New("want auto, bar, lines or none")
			}
			return nil
		},
	},
}

// autoDevice leaves it to the program where to compute.
const autoDevice = "auto"

func checkDevice(word string) error {
	if rest, ok := strings.CutPrefix(word, "cuda:"); ok {
		if n, err := strconv.Atoi(rest); err == nil && n >= 0 {
			return nil
		}
	} else if slices.Contains([]string{autoDevice, "cpu", "cuda"}, word) {
		return nil
	}
	return errors.New("want auto, cpu, cuda or cuda:N")
}

// addSettingFlags gives each setting its flag.
func addSettingFlags(flags *pflag.FlagSet) {
	for _, s := range settingTable {
		usage := s.usage
		if s.value != "" && s.value != "0" {
			usage += fmt.Sprintf(" (default %s)", s.value)
		}
		flags.String(s.flag, "", usage)
	}
	flags.Bool("quiet", false, "show warnings and errors only, and no progress")
	flags.Bool("debug", false, "show debug messages, and where an error came from")
	flags.SortFlags = false
}

// foundSetting is the value of a setting and where it came from.
type foundSetting struct {
	setting
	text, from string
}

// loadSettings finds the value of each setting. A bad value is an error that says
// where it stands.
func loadSettings(flags *pflag.FlagSet) (Settings, error) {
	s, _, err := findSettings(flags)
	return s, err
}

// findSettings is loadSettings that also tells where each value came from; viper
// knows which source goes before which.
func findSettings(flags *pflag.FlagSet) (s Settings, list []foundSetting, err error) {
	v := viper.New()
	file, err := readSettingsFile(v)
	if err != nil {
		return s, nil, err
	}
	for _, setting := range settingTable {
		found, err := setting.find(v, flags.Lookup(setting.flag), file)
		if err != nil {
			return s, nil, err
		}
		if err := found.read(&s, found.text); err != nil {
			return s, nil, flagErrorf("%s %q: %w", found.from, found.text, err)
		}
		list = append(list, found)
	}
	for i := range list {
		if list[i].overrule(flags, s) {
			if err := list[i].read(&s, list[i].text); err != nil {
				return s, nil, err
			}
		}
	}
	return s, list, nil
}

const fromDefault = "default"

func (t setting) find(v *viper.Viper, flag *pflag.Flag, file string) (foundSetting, error) {
	found := foundSetting{setting: t, from: fromDefault}
	v.SetDefault(t.key, t.value)
	if err := errors.Join(v.BindEnv(t.key, t.env), v.BindPFlag(t.key, flag)); err != nil {
		return found, err
	}
	switch {
	case flag.Changed:
		found.from = "--" + t.flag
	case os.Getenv(t.env) != "":
		found.from = t.env
	case v.InConfig(t.key):
		found.from = fmt.Sprintf("settings %s: %s", file, t.key)
	}
	switch value := v.Get(t.key).(type) {
	case string, int, bool:
		found.text = fmt.Sprint(value)
		return found, nil
	}
	return found, flagErrorf("settings %s: %s must be a word or a number", file, t.key)
}

// overrule lets --quiet and --debug change what the setting was found to be.
func (f *foundSetting) overrule(flags *pflag.FlagSet, s Settings) bool {
	quiet, _ := flags.GetBool("quiet")
	debug, _ := flags.GetBool("debug")
	switch {
	case f.key == "log_level" && debug:
		f.text, f.from = "debug", "--debug"
	case f.key == "log_level" && quiet && s.LogLevel < slog.LevelWarn:
		f.text, f.from = "warn", "--quiet"
	case f.key == "progress" && quiet:
		f.text, f.from = "none", "--quiet"
	default:
		return false
	}
	return true
}

// readSettingsFile reads the file that the environment names, which must be
// there, or else openretina/settings.yaml in the user's folder for configuration.
func readSettingsFile(v *viper.Viper) (file string, err error) {
	file = os.Getenv(envSettings)
	named := file != ""
	if !named {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", nil //nolint:nilerr // no home, no file
		}
		file = filepath.Join(dir, "openretina", "settings.yaml")
	}
	content, err := os.ReadFile(file) //nolint:gosec // the user names it
	if errors.Is(err, fs.ErrNotExist) && !named {
		return file, nil
	}
	if err != nil {
		return file, flagErrorf("settings: %w", err)
	}
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(content)); err != nil {
		return file, flagErrorf("settings %s: %w", file, err)
	}
	return file, checkSettingKeys(v, file)
}

func checkSettingKeys(v *viper.Viper, file string) error {
	known := make([]string, len(settingTable))
	for i, s := range settingTable {
		known[i] = s.key
	}
	for _, key := range v.AllKeys() {
		if !slices.Contains(known, key) {
			return flagErrorf("settings %s: unknown key %q%s", file, key, suggest(key, known, ""))
		}
	}
	return nil
}

// threadCount is the number of threads that a setting stands for: 0 gives as many
// as the process may use, by the control group's quota too.
func threadCount(setting int) int {
	if setting > 0 {
		return setting
	}
	return runtime.GOMAXPROCS(0)
}
