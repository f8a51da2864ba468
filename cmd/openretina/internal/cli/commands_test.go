package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/data/hub"
	"github.com/open-retina/openretina-go/pkg/data/simulate"
)

// newTestFactory has streams in memory and no settings but the defaults.
func newTestFactory(t *testing.T) *Factory {
	t.Helper()
	clearSettingsEnv(t)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv(envSettings, "")
	streams, _, _ := TestStreams()
	return NewFactory(streams, Interrupts{Soft: t.Context(), Hard: t.Context()})
}

// parse runs a command line on one command, which is given a runF, and returns the
// exit code.
func parse(t *testing.T, f *Factory, cmd *cobra.Command, line string) (code int, stderr string) {
	t.Helper()
	root := &cobra.Command{Use: "openretina", SilenceErrors: true, SilenceUsage: true}
	f.flags = root.PersistentFlags()
	addSettingFlags(f.flags)
	root.SetFlagErrorFunc(explainFlag)
	root.AddCommand(cmd)
	code = f.run(root, append([]string{cmd.Name()}, strings.Fields(line)...))
	return code, f.IO.Err.(*lockedWriter).w.(interface{ String() string }).String()
}

func TestPredictFlags(t *testing.T) {
	type want struct{ Model, Stimulus, Output, Session, Device string }
	for _, test := range []struct {
		line string
		want want
		code int
	}{
		{"--model M --stimulus in.npy --output out.npy", want{"M", "in.npy", "out.npy", "", "auto"}, 0},
		{"--model=M --stimulus=in.npy --output=out.npy --session S device=cuda:1", want{"M", "in.npy", "out.npy", "S", "cuda:1"}, 0},
		{"device=cpu --model M --stimulus in.npy --output out.npy --device cpu", want{"M", "in.npy", "out.npy", "", "cpu"}, 0},
		{"--model M --stimulus in.npy --output out.npy -- threads=2", want{"M", "in.npy", "out.npy", "", "auto"}, 0},
		{"--model M --stimulus in.npy", want{}, exitUsage},
		{"--model M --stimulus in.npy --output out.npy mei.steps=1", want{}, exitUsage},
		{"--model M --stimulus in.npy --output out.npy device=cpu --device cuda", want{}, exitUsage},
	} {
		f := newTestFactory(t)
		var got want
		code, stderr := parse(t, f, newCmdPredict(f, func(_ Interrupts, o *predictOptions) error {
			got = want{o.Model, o.Stimulus, o.Output, o.Session, f.Settings.Device}
			return nil
		}), test.line)
		if code != test.code || got != test.want {
			t.Errorf("%s: code %d, options %+v, stderr %s", test.line, code, got, stderr)
		}
	}
}

func TestMEIFlags(t *testing.T) {
	type want struct {
		Neurons         []int
		All             bool
		Session, Output string
	}
	for _, test := range []struct {
		line string
		want want
		code int
	}{
		{"--model M --neuron 3", want{[]int{3}, false, "", "mei_M"}, 0},
		{"--model runs/a.ckpt --neuron 0,2,12 --session S", want{[]int{0, 2, 12}, false, "S", "mei_a"}, 0},
		{"--model runs/a/ --neuron all --output DIR", want{nil, true, "", "DIR"}, 0},
		{"--model M --neuron -3", want{}, exitUsage},
		{"--model M --neuron 3,", want{}, exitUsage},
		{"--model M --neuron every", want{}, exitUsage},
		{"--model M", want{}, exitUsage},
	} {
		f := newTestFactory(t)
		var got want
		code, stderr := parse(t, f, newCmdMEI(f, func(_ Interrupts, o *meiOptions) error {
			got = want{o.Neurons, o.All, o.Session, o.Output}
			return nil
		}), test.line)
		if diff := cmp.Diff(test.want, got); code != test.code || diff != "" {
			t.Errorf("%s: code %d, stderr %s, %s", test.line, code, stderr, diff)
		}
	}
}

func TestMEISettings(t *testing.T) {
	for _, test := range []struct {
		line        string
		steps, code int
	}{
		{"", 10, 0},
		{"mei.max_steps=7", 7, 0},
		{"device=cpu mei.stopper={_target_:openretina.insilico.stimulus_optimization.optimization_stopper.OptimizationStopper,max_iterations:4}", 4, 0},
		{"mei.max_step=7", 0, exitUsage},
		{"mei.optimizer._target_=torch.optim.SDG", 0, exitUsage},
	} {
		f := newTestFactory(t)
		steps := 0
		code, stderr := parse(t, f, newCmdMEI(f, func(_ Interrupts, o *meiOptions) error {
			settings, err := o.Settings()
			if err == nil {
				steps = settings.Steps()
			}
			return err
		}), "--model M --neuron 1 "+test.line)
		if code != test.code || steps != test.steps {
			t.Errorf("%s: code %d, %d steps, stderr %s", test.line, code, steps, stderr)
		}
	}
}

func TestDownloadNames(t *testing.T) {
	f := newTestFactory(t)
	var got []hub.Remote
	code, _ := parse(t, f, newCmdDownload(f, func(_ Interrupts, o *downloadOptions) error {
		got = o.Remotes
		return nil
	}), "sridhar_2025 euler_lab/hoefling_2024/responses/")
	want := []hub.Remote{
		{Name: "sridhar_2025", Path: "model_checkpoints/2026-03-09/sridhar_2025.ckpt"},
		{Path: "euler_lab/hoefling_2024/responses", Folder: true},
	}
	if diff := cmp.Diff(want, got); code != 0 || diff != "" {
		t.Errorf("code %d, %s", code, diff)
	}
}

func TestDownloadPrintsPathsInOrder(t *testing.T) {
	streams, out, _ := TestStreams()
	opts := &downloadOptions{
		IO: streams, Remotes: []hub.Remote{{Path: "a/b"}, {Path: "c"}},
		Fetch: func(_ context.Context, r hub.Remote) (string, error) { return "cache/" + r.Path, nil },
	}
	if err := runDownload(Interrupts{Soft: t.Context()}, opts); err != nil || out.String() != "cache/a/b\ncache/c\n" {
		t.Errorf("printed %q, %v", out, err)
	}
}

func TestCreateDataFlags(t *testing.T) {
	noise := simulate.NoiseOptions{NumColors: 3, NumStimuli: 4, NumSessions: 2, ClipLength: 75}
	three := noise
	three.NumSessions = 3
	for _, test := range []struct {
		line  string
		kind  string
		seed  uint64
		noise simulate.NoiseOptions
		code  int
	}{
		{"DIR", kindRetina, 0, noise, 0},
		{"DIR --seed 7", kindRetina, 7, noise, 0},
		{"DIR --kind noise", kindNoise, 0, noise, 0},
		{"DIR --num-sessions 3", kindNoise, 0, three, 0},
		{"DIR --kind retina --clip-length 10", "", 0, simulate.NoiseOptions{}, exitUsage},
		{"DIR --clip-length 0", "", 0, simulate.NoiseOptions{}, exitUsage},
		{"DIR --kind fish", "", 0, simulate.NoiseOptions{}, exitUsage},
		{"", "", 0, simulate.NoiseOptions{}, exitUsage},
		{"DIR other", "", 0, simulate.NoiseOptions{}, exitUsage},
	} {
		f := newTestFactory(t)
		got := &createDataOptions{}
		code, stderr := parse(t, f, newCmdCreateData(f, func(_ Interrupts, o *createDataOptions) error {
			got = o
			return nil
		}), test.line)
		same := got.Kind == test.kind && got.Seed == test.seed &&
			got.Noise.NumSessions == test.noise.NumSessions && got.Noise.ClipLength == test.noise.ClipLength
		if code != test.code || !same {
			t.Errorf("%s: code %d, options %+v, stderr %s", test.line, code, got, stderr)
		}
	}
}

func TestTrainWords(t *testing.T) {
	f := newTestFactory(t)
	var got []string
	code, stderr := parse(t, f, newCmdTrain(f, func(_ Interrupts, o *trainOptions) error {
		got = o.Overrides
		return nil
	}), "--config simulated_retina a=1 threads=2 ~b -- +c=device=cpu")
	if diff := cmp.Diff([]string{"a=1", "~b", "+c=device=cpu"}, got); code != 0 || diff != "" {
		t.Errorf("code %d, stderr %s, %s", code, stderr, diff)
	}
	if f.Settings.Threads != 2 {
		t.Errorf("threads are %d", f.Settings.Threads)
	}
}

func TestHydrasShortFlags(t *testing.T) {
	got := longFlags(strings.Fields("train -cp configs -cn=base -cd extra -cpx -- -cn"))
	want := strings.Fields("train --config-path configs --config-name=base --config-dir extra -cpx -- -cn")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTableForPersonsAndPrograms(t *testing.T) {
	streams, out, _ := TestStreams()
	rows := [][]string{{"NAME", "PATH"}, {"a", "b"}, {"longer", "c"}}
	if err := streams.printTable(rows); err != nil || out.String() != "a\tb\nlonger\tc\n" {
		t.Errorf("for a program: %q, %v", out, err)
	}
	out.Reset()
	streams.OutIsTerminal = true
	if err := streams.printTable(rows); err != nil || out.String() != "NAME    PATH\na       b\nlonger  c\n" {
		t.Errorf("for a person: %q, %v", out, err)
	}
}

func TestParseNeurons(t *testing.T) {
	if n, all, err := parseNeurons("4, 2,4"); err != nil || all || !cmp.Equal(n, []int{4, 2, 4}) {
		t.Errorf("neurons are %v, %v, %v", n, all, err)
	}
	if _, _, err := parseNeurons("1-3"); err == nil || !errors.As(err, new(*FlagError)) {
		t.Errorf("error is %v", err)
	}
}
