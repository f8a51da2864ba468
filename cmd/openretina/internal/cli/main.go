package cli

import (
	"os"

	"github.com/spf13/cobra"
)

// Main runs the program on the arguments and the streams of the process, and
// returns its exit code.
func Main() int {
	streams := SystemStreams()
	interrupts, stop := WatchSignals(streams.Err)
	defer stop()
	f := NewFactory(streams, interrupts)
	return f.run(newCmdRoot(f), os.Args[1:])
}

// run executes a command line and reports how it ended.
func (f *Factory) run(root *cobra.Command, args []string) int {
	cmd, err := f.execute(root, args)
	if closeErr := f.IO.CloseOut(); err == nil || !f.started && closeErr != nil {
		err = closeErr // cobra's own commands print too
	}
	if err == nil {
		return exitDone
	}
	return f.report(cmd, err)
}

// execute is the one place that turns a panic into an error.
func (f *Factory) execute(root *cobra.Command, args []string) (cmd *cobra.Command, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = newInternalError(r)
		}
	}()
	root.SetArgs(longFlags(args))
	root.SetIn(f.IO.In)
	root.SetOut(f.IO.Out)
	root.SetErr(f.IO.Err)
	cmd, err = root.ExecuteContextC(f.Interrupts.Soft)
	if err != nil && !f.started {
		// Cobra refused the command line before any command began.
		err = asFlagError(err)
	}
	return cmd, err
}
