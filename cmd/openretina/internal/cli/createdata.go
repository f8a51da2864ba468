package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/data/simulate"
)

// The kinds of data that create-data writes.
const (
	kindRetina = "retina"
	kindNoise  = "noise"
)

type createDataOptions struct {
	IO       *IOStreams
	Progress func(label, unit string) *Progress
	Dir      string
	Kind     string
	Seed     uint64
	Noise    simulate.NoiseOptions
}

func newCmdCreateData(f *Factory, runF func(Interrupts, *createDataOptions) error) *cobra.Command {
	if runF == nil {
		runF = runCreateData
	}
	opts := &createDataOptions{IO: f.IO, Progress: f.NewProgress}
	cmd := &cobra.Command{
		Use:   "create-data DIR",
		Short: "Make a data set with known ground truth",
		Long: long(`
			Make a data set in DIR and print its path.

			The kind retina is a simulated retina: natural-like movies and cells of known
			types that see them, with Poisson noise and repeats of a test movie. What each cell
			really does is in DIR/truth/ground_truth.h5. The kind noise is the data set of the
			Python package's create-data, and is meant by any of its flags.

			The same seed gives the same bytes on every machine.`),
		Example: examples(`
			openretina create-data demo-data
			openretina create-data noise-data --num-colors 3 --num-sessions 2`),
		Args: wordsNamed("DIR", 1),
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Kind, "kind", "", "retina or noise (default retina)")
	flags.Uint64Var(&opts.Seed, "seed", 0, "seed of all random draws")
	flags.IntVar(&opts.Noise.NumColors, "num-colors", 3, "noise: channels of the stimuli")
	flags.IntVar(&opts.Noise.NumStimuli, "num-stimuli", 4, "noise: number of stimuli")
	flags.IntVar(&opts.Noise.NumSessions, "num-sessions", 2, "noise: number of sessions")
	flags.IntVar(&opts.Noise.ClipLength, "clip-length", 75, "noise: frames of a clip")
	mustComplete(cmd, "kind", cobra.FixedCompletions([]string{kindRetina, kindNoise}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = f.action(func(args []string) error {
		opts.Dir = args[0]
		if err := opts.chooseKind(cmd); err != nil {
			return err
		}
		return runF(f.Interrupts, opts)
	})
	return cmd
}

// chooseKind settles which data set is meant, and refuses flags of the other.
func (o *createDataOptions) chooseKind(cmd *cobra.Command) error {
	for name, value := range map[string]int{
		"num-colors": o.Noise.NumColors, "num-stimuli": o.Noise.NumStimuli,
		"num-sessions": o.Noise.NumSessions, "clip-length": o.Noise.ClipLength,
	} {
		switch changed := cmd.Flags().Changed(name); {
		case !changed:
		case value < 1:
			return flagErrorf("--%s %d: want a positive number", name, value)
		case o.Kind == "":
			o.Kind = kindNoise
		case o.Kind == kindRetina:
			return flagErrorf("--%s is for --kind noise", name)
		}
	}
	switch o.Kind {
	case "":
		o.Kind = kindRetina
	case kindRetina, kindNoise:
	default:
		return flagErrorf("--kind %q: want retina or noise", o.Kind)
	}
	return nil
}

func runCreateData(in Interrupts, opts *createDataOptions) error {
	progress := opts.Progress("simulating", "steps")
	defer progress.Close()
	if err := opts.write(in.Soft, progress); err != nil {
		return err
	}
	fmt.Fprintln(opts.IO.Out, opts.Dir)
	return nil
}

func (o *createDataOptions) write(ctx context.Context, progress *Progress) error {
	report := func(done, total int) { progress.Set(int64(done), int64(total)) }
	if o.Kind == kindNoise {
		o.Noise.Seed, o.Noise.Progress = o.Seed, report
		return simulate.WriteNoise(ctx, o.Dir, o.Noise)
	}
	return simulate.Write(ctx, o.Dir, simulate.Options{Seed: o.Seed, Progress: report})
}
