package cli

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Factory has what commands need. Nothing in it is opened, read or initialised
// before a command asks for it.
type Factory struct {
	IO         *IOStreams
	Interrupts Interrupts
	Log        *slog.Logger
	// Settings are there once a command has begun.
	Settings Settings

	level   *slog.LevelVar
	flags   *pflag.FlagSet // those of every command
	started bool
	// answer is where the job of a sweep tells why it failed; else nil.
	answer io.Writer
}

// NewFactory makes the factory of one run of the program.
func NewFactory(io *IOStreams, in Interrupts) *Factory {
	level := new(slog.LevelVar)
	log := newLogger(io.Err, level)
	slog.SetDefault(log) // packages that are given none warn by it
	return &Factory{IO: io, Interrupts: in, level: level, Log: log}
}

// action makes the RunE of a command: from here on an error is the command's own.
func (f *Factory) action(run func(args []string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		f.started = true
		var err error
		if f.Settings, err = loadSettings(f.flags); err != nil {
			return err
		}
		f.level.Set(f.Settings.LogLevel)
		torch.KeepTraces(f.debug())
		return run(args)
	}
}

// computing is action for commands that compute with tensors: the words device=…
// and threads=… among the arguments mean the flags of that name.
func (f *Factory) computing(run func(words []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		words, err := f.takeSettingWords(args)
		if err != nil {
			return err
		}
		return f.action(run)(cmd, words)
	}
}

// Device finds where to compute, sets the number of threads, and tells the user
// why the CPU was taken where a GPU was hoped for.
func (f *Factory) Device() (torch.Device, error) { return f.DeviceOr(autoDevice) }

// DeviceOr is Device for a config that names one: that counts where the settings leave
// it open.
func (f *Factory) DeviceOr(named string) (torch.Device, error) {
	torch.SetThreads(threadCount(f.Settings.Threads))
	word := f.Settings.Device
	if word == autoDevice {
		word = named
	}
	device, reason, err := torch.SelectDevice(word)
	if reason != "" {
		f.Log.Info(reason)
	}
	return device, err
}

// Hub is the client for downloads.
func (f *Factory) Hub() (*hub.Client, error) {
	return hub.FromEnv(func(name string) string {
		if name == hub.EnvCacheDir {
			return f.Settings.CacheDir
		}
		return os.Getenv(name)
	})
}

// envWithCache is the environment with the folder for downloads always set.
func (f *Factory) envWithCache() (func(string) (string, bool), error) {
	client, err := f.Hub()
	if err != nil {
		return nil, err
	}
	return func(name string) (string, bool) {
		if name == hub.EnvCacheDir {
			return client.CacheDir, true
		}
		return os.LookupEnv(name)
	}, nil
}

func (f *Factory) debug() bool {
	on, _ := f.flags.GetBool("debug")
	return on
}
