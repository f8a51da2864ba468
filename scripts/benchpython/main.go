// Command benchpython compares the speed and the memory of the Python package and
// of this module, on the same weights and inputs, in alternation in one run. It
// is run by `make bench-python`.
//
// Each case runs in two fresh processes, peer.py and this program as a worker,
// which are told what to do line by line (protocol.go). While one computes, the
// other waits for its next line. Outputs are compared before a figure counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/torch"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-python:", err)
		os.Exit(1)
	}
}

// run is the program: a worker, or the one that starts workers.
func run(ctx context.Context, args []string, out, log io.Writer) error {
	if len(args) == 1 && args[0] == "worker" {
		return serve(ctx, os.Stdin, out)
	}
	o, err := parseFlags(args, log)
	if err != nil {
		return err
	}
	b, err := newBench(o, log)
	if err != nil {
		return err
	}
	defer b.remove()
	rows, failed := b.all(ctx, o)
	if len(rows) > 0 {
		if err := fileio.WriteJSON(o.output, rows); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n\n", machine(b.versions))
		if err := writeTable(out, rows, footnotes(rows, b.wholeLife)); err != nil {
			return err
		}
	}
	all, err := b.allTrainings(ctx, o)
	if len(all) > 0 {
		if err := fileio.WriteJSON(strings.TrimSuffix(o.output, ".json")+"-trainings.json", all); err != nil {
			return err
		}
		if err := writeTrainings(out, all); err != nil {
			return err
		}
	}
	return errors.Join(failed, err)
}

// options are those of the command line.
type options struct {
	cases     []benchCase
	threads   []int
	pairs     int
	trainings []training
	seeds     int
	python    string
	output    string
}

func parseFlags(args []string, log io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("benchpython", flag.ContinueOnError)
	flags.SetOutput(log)
	cases := flags.String("cases", defaultCases, "names of `cases`: forward_BxT, train_step_BxT, mei_N, predict_process, each also with _HxW; or none")
	trainings := flags.String("trainings", defaultTrainings, "`names` of trainings from scratch to compare, or none")
	flags.IntVar(&o.seeds, "seeds", 5, "`number` of seeds of each training")
	threads := flags.String("threads", "1 2", "`numbers` of threads")
	flags.IntVar(&o.pairs, "pairs", 0, "`number` of pairs of calls; 0: as many as take some seconds, 3 to 40")
	flags.StringVar(&o.python, "python", os.Getenv("OPENRETINA_PYTHON"), "`interpreter` that has the Python package")
	flags.StringVar(&o.output, "output", outputName(os.Getenv), "the `file` for the figures")
	if err := flags.Parse(args); err != nil {
		return o, errors.Join(err, flag.ErrHelp)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected word %q", flags.Arg(0))
	}
	if o.pairs < 0 || o.pairs > 10_000 {
		return o, fmt.Errorf("-pairs %d is not from 0 to 10000", o.pairs)
	}
	if o.seeds < 1 || o.seeds > 1000 {
		return o, fmt.Errorf("-seeds %d is not from 1 to 1000", o.seeds)
	}
	if o.python == "" {
		return o, errors.New("no -python, and OPENRETINA_PYTHON is not set: name an interpreter that has the Python package")
	}
	if o.cases, err = parseCases(*cases); err != nil {
		return o, err
	}
	if o.trainings, err = parseTrainings(*trainings); err != nil {
		return o, err
	}
	o.threads, err = parseThreads(*threads)
	return o, err
}

// outputName tells runs apart that were forced to compute in another way.
func outputName(getenv func(string) string) string {
	name := "build/bench-python"
	for _, key := range []string{"OPENRETINA_SIMD", "OPENRETINA_CONV"} {
		if value := getenv(key); value != "" && value != "fused" {
			name += "-" + value
		}
	}
	return name + ".json"
}

// newBench looks for what is needed. Paths are relative to the repository.
func newBench(o options, log io.Writer) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bench{
		python: o.python, self: self, program: "bin/openretina", script: "scripts/benchpython/peer.py",
		pairs: o.pairs, log: log, models: map[modelSpec]*benchModel{},
	}
	for _, path := range []string{b.script, b.program} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: run `make bench-python` in the repository", err)
		}
	}
	if b.configs, err = filepath.Abs("configs"); err != nil {
		return nil, err
	}
	b.dir, err = os.MkdirTemp("", "bench-python-")
	return b, err
}

// all measures all cases; those that fail are left out, and named in the error.
func (b *bench) all(ctx context.Context, o options) (rows []row, failed error) {
	for _, c := range o.cases {
		for _, threads := range o.threads {
			before, _ := readCPUTime()
			r, err := b.measure(ctx, c, threads)
			if ctx.Err() != nil {
				return rows, errors.Join(failed, context.Cause(ctx))
			}
			after, _ := readCPUTime()
			r.others = after.othersSince(before)
			if err != nil {
				err = fmt.Errorf("%s on %s: %w", c.name, count(threads, "thread"), err)
				fmt.Fprintln(b.log, err)
				failed = errors.Join(failed, err)
				continue
			}
			fmt.Fprintln(b.log, r)
			rows = append(rows, r)
		}
	}
	return rows, failed
}

// machine is where and with what the figures were measured.
func machine(versions string) string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	text := fmt.Sprintf("%s, %d cores; %s; ours with libtorch %s", model, runtime.NumCPU(), versions, torch.Version())
	for _, key := range []string{"OPENRETINA_SIMD", "OPENRETINA_CONV"} {
		if value := os.Getenv(key); value != "" {
			text += fmt.Sprintf(", %s=%s", key, value)
		}
	}
	return text
}
