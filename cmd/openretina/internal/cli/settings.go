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
	// CacheDir is where downloads go; empty stands for the hub's own default.
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
		"device", "device", "OPENRETINA_DEVICE", "auto", "where to compute: auto, cpu, cuda or cuda:N",
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
		"cache_dir", "cache-dir", hub.EnvCacheDir, "", "folder for downloads (default ~/openretina_cache)",
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

func checkDevice(word string) error {
	if rest, ok := strings.CutPrefix(word, "cuda:"); ok {
		if n, err := strconv.Atoi(rest); err == nil && n >= 0 {
			return nil
		}
	} else if slices.Contains([]string{"auto", "cpu", "cuda"}, word) {
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

// loadSettings finds the value of each setting; viper knows which source goes
// before which. A bad value is an error that says where it stands.
func loadSettings(flags *pflag.FlagSet) (Settings, error) {
	var s Settings
	v := viper.New()
	file, err := readSettingsFile(v)
	if err != nil {
		return s, err
	}
	for _, setting := range settingTable {
		if err := setting.load(&s, v, flags.Lookup(setting.flag), file); err != nil {
			return s, err
		}
	}
	if on, _ := flags.GetBool("quiet"); on {
		s.LogLevel, s.Progress = max(s.LogLevel, slog.LevelWarn), "none"
	}
	if on, _ := flags.GetBool("debug"); on {
		s.LogLevel = slog.LevelDebug
	}
	return s, nil
}

func (t setting) load(s *Settings, v *viper.Viper, flag *pflag.Flag, file string) error {
	v.SetDefault(t.key, t.value)
	if err := errors.Join(v.BindEnv(t.key, t.env), v.BindPFlag(t.key, flag)); err != nil {
		return err
	}
	var text string
	switch value := v.Get(t.key).(type) {
	case string, int, bool:
		text = fmt.Sprint(value)
	default:
		return flagErrorf("settings %s: %s must be a word or a number", file, t.key)
	}
	if err := t.read(s, text); err != nil {
		return flagErrorf("%s %q: %w", t.place(flag, file), text, err)
	}
	return nil
}

// place says where a setting's value came from.
func (t setting) place(flag *pflag.Flag, file string) string {
	switch {
	case flag.Changed:
		return "--" + t.flag
	case os.Getenv(t.env) != "":
		return t.env
	}
	return fmt.Sprintf("settings %s: %s", file, t.key)
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
