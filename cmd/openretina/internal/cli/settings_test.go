package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/open-retina/openretina-go/configs"
	"github.com/open-retina/openretina-go/pkg/config"
)

// settingsOf loads the settings of a file and a command line, without those of the
// machine's user.
func settingsOf(t *testing.T, file string, args ...string) (Settings, error) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv(envSettings, "")
	if file != "" {
		path := filepath.Join(dir, "openretina", "settings.yaml")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	addSettingFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return loadSettings(flags)
}

func clearSettingsEnv(t *testing.T) {
	t.Helper()
	for _, s := range settingTable {
		t.Setenv(s.env, "")
	}
}

func TestSettingsPrecedence(t *testing.T) {
	clearSettingsEnv(t)
	const file = "threads: 3\ndevice: cuda:1\nlog_level: warn\nprogress: lines\n"
	steps := []struct {
		name, file, env string
		args            []string
		want            int
	}{
		{"default", "", "", nil, 0},
		{"file", file, "", nil, 3},
		{"environment", file, "4", nil, 4},
		{"flag", file, "4", []string{"--threads", "5"}, 5},
		{"flag without file", "", "4", []string{"--threads=0"}, 0},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Setenv("OPENRETINA_THREADS", step.env)
			s, err := settingsOf(t, step.file, step.args...)
			if err != nil {
				t.Fatal(err)
			}
			if s.Threads != step.want {
				t.Errorf("threads are %d, want %d", s.Threads, step.want)
			}
			if step.file != "" && (s.Device != "cuda:1" || s.LogLevel != slog.LevelWarn || s.Progress != "lines") {
				t.Errorf("settings are %+v", s)
			}
		})
	}
}

func TestQuietAndDebug(t *testing.T) {
	clearSettingsEnv(t)
	s, err := settingsOf(t, "log_level: error\n", "--quiet")
	if err != nil || s.LogLevel != slog.LevelError || s.Progress != "none" {
		t.Errorf("quiet gives %+v, %v", s, err)
	}
	s, err = settingsOf(t, "log_level: error\n", "--debug")
	if err != nil || s.LogLevel != slog.LevelDebug {
		t.Errorf("debug gives %+v, %v", s, err)
	}
}

func TestBadSettings(t *testing.T) {
	clearSettingsEnv(t)
	for _, test := range []struct {
		file string
		args []string
		want string
	}{
		{"", []string{"--device", "tpu"}, `--device "tpu": want auto`},
		{"", []string{"--device", "cuda:x"}, `--device "cuda:x": want auto`},
		{"", []string{"--threads", "-1"}, `--threads "-1": want a number`},
		{"threads: many\n", nil, `settings.yaml: threads "many": want a number`},
		{"threads: 1.5\n", nil, "threads must be a word or a number"},
		{"device: [cpu]\n", nil, "device must be a word"},
		{"progress: fast\n", nil, `progress "fast": want auto`},
		{"devise: cpu\n", nil, `unknown key "devise": did you mean device?`},
		{"a: {b: 1}\n", nil, `unknown key "a.b"`},
		{"[", nil, "settings.yaml: "},
	} {
		_, err := settingsOf(t, test.file, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q %q: error is %v, want %s", test.file, test.args, err, test.want)
		}
		if exitCode(err, false) != exitUsage {
			t.Errorf("%q %q: exit code is %d", test.file, test.args, exitCode(err, false))
		}
	}
}

// Why viper reads the settings only and pkg/config composes the configs: viper
// loses the case of keys, and a null does not replace a mapping.
func TestViperCannotMergeConfigs(t *testing.T) {
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(strings.NewReader("lr_scheduler: {T_max: 10}\nmodel: {loss: {bias: 1}}\n")); err != nil {
		t.Fatal(err)
	}
	if err := v.MergeConfig(strings.NewReader("model: {loss: null}\n")); err != nil {
		t.Fatal(err)
	}
	all := v.AllSettings()
	if scheduler := all["lr_scheduler"].(map[string]any); scheduler["T_max"] != nil || scheduler["t_max"] != 10 {
		t.Errorf("viper keeps the case now: %v", scheduler)
	}
	if v.Get("model.loss.bias") == nil {
		t.Error("viper replaces a mapping by null now")
	}

	composed, err := config.Compose(config.Options{
		Sources:    []config.Source{{FS: configs.FS, Path: "configs", Provider: "main"}},
		ConfigName: "simulated_retina", Overrides: []string{"+lr_scheduler.T_max=10", "model.core=null"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := composed.Root.At("lr_scheduler.T_max"); !ok || n.Value() != int64(10) {
		t.Error("config loses the case of T_max")
	}
	if n, ok := composed.Root.At("model.core"); !ok || n.Kind() != config.Null {
		t.Error("config does not replace a mapping by null")
	}
}

// TestSettingsDoc keeps the table of docs/settings.md the same as the program's.
func TestSettingsDoc(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settingTable {
		row := fmt.Sprintf("| `%s` | `--%s` | `%s` | `%s` | %s |\n", s.key, s.flag, s.env, s.value, s.usage)
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/settings.md lacks the row\n%s", row)
		}
	}
	if rows := strings.Count(string(doc), "| `--"); rows != len(settingTable) {
		t.Errorf("docs/settings.md has %d settings, the program has %d", rows, len(settingTable))
	}
}

func TestSettingsCommand(t *testing.T) {
	const file = "threads: 3\nprogress: bar\n"
	clearSettingsEnv(t)
	t.Setenv("OPENRETINA_PROGRESS", "lines")
	if _, err := settingsOf(t, file); err != nil { // sets the environment up
		t.Fatal(err)
	}
	streams, out, _ := TestStreams()
	f := NewFactory(streams, Interrupts{Soft: t.Context(), Hard: t.Context()})
	if code, stderr := parse(t, f, newCmdSettings(f, nil), "--device cpu --quiet"); code != exitDone {
		t.Fatalf("code %d, %s", code, stderr)
	}
	want := "device\tcpu\t--device\t--device\tOPENRETINA_DEVICE\n" +
		"threads\t3\tsettings " + filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "openretina", "settings.yaml") + ": threads\t--threads\tOPENRETINA_THREADS\n" +
		"cache_dir\t~/openretina_cache\tdefault\t--cache-dir\tOPENRETINA_CACHE_DIRECTORY\n" +
		"log_level\twarn\t--quiet\t--log-level\tOPENRETINA_LOG_LEVEL\n" +
		"progress\tnone\t--quiet\t--progress\tOPENRETINA_PROGRESS\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out, want)
	}
}
