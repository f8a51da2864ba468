package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // bad command line or config
	exitInterrupted = 130
)

// FlagError is a bad command line.
type FlagError struct{ err error }

func (e *FlagError) Error() string { return e.err.Error() }

// Unwrap is what was wrong with it.
func (e *FlagError) Unwrap() error { return e.err }

func flagErrorf(format string, args ...any) error {
	return &FlagError{fmt.Errorf(format, args...)}
}

// asFlagError is for what cobra itself refuses.
func asFlagError(err error) error {
	if flagErr := (*FlagError)(nil); errors.As(err, &flagErr) {
		return err
	}
	return &FlagError{err}
}

// failure is an error that a bad config inside a file caused, not a config of the
// user: it hides the *config.Error from exitCode.
type failure struct{ err error }

func (e failure) Error() string { return e.err.Error() }

func (e failure) Is(target error) bool { return errors.Is(e.err, target) }

// internalError is a recovered panic.
type internalError struct {
	value any
	stack []byte
}

func (e *internalError) Error() string { return fmt.Sprintf("internal error: %v", e.value) }

// newInternalError makes an error of what recover gave. A panic that came through
// package torch happened on another stack, which it brings along.
func newInternalError(recovered any) *internalError {
	if p, ok := recovered.(*torch.Panic); ok {
		return &internalError{value: p.Value, stack: p.Stack}
	}
	return &internalError{value: recovered, stack: debug.Stack()}
}

// exitCode classifies the error that ended the program.
func exitCode(err error, interrupted bool) int {
	flagErr, configErr := (*FlagError)(nil), (*config.Error)(nil)
	switch {
	case errors.Is(err, ErrInterrupted), interrupted && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &flagErr), errors.As(err, &configErr):
		return exitUsage
	}
	return exitFailed
}

// report tells the user why the program ends, and returns the exit code: in one
// line, or in a line for each problem of a config and one that counts them. With
// --debug it adds where the error came from.
func (f *Factory) report(cmd *cobra.Command, err error) int {
	code := exitCode(err, f.Interrupts.Soft.Err() != nil)
	line := oneLine(err.Error())
	if problems := config.ErrorList(nil); errors.As(err, &problems) {
		for _, problem := range problems {
			fmt.Fprintln(f.IO.Err, oneLine(problem.Error()))
		}
		line = fmt.Sprintf("%d problems in the config, listed above", len(problems))
	}
	if flagErr := (*FlagError)(nil); errors.As(err, &flagErr) && cmd != nil {
		line += fmt.Sprintf(" (see %s --help)", cmd.CommandPath())
	}
	crash := (*internalError)(nil)
	if errors.As(err, &crash) && !f.debug() {
		line += saveTrace(crash)
	}
	switch {
	case f.answer != nil:
		fmt.Fprintln(f.answer, line) // the parent tells the user
	case code == exitInterrupted:
		fmt.Fprintln(f.IO.Err, line)
	default:
		fmt.Fprintf(f.IO.Err, "error: %s\n", line)
	}
	if f.debug() {
		f.printTrace(err)
	}
	return code
}

// printTrace shows the stack of a panic, or where in libtorch an operation failed.
func (f *Factory) printTrace(err error) {
	if crash := (*internalError)(nil); errors.As(err, &crash) {
		fmt.Fprintf(f.IO.Err, "%s", crash.stack)
	}
	if tensor := (*torch.Error)(nil); errors.As(err, &tensor) && tensor.Trace != "" {
		fmt.Fprintln(f.IO.Err, tensor.Trace)
	}
}

// saveTrace writes a panic's stack to a file and says where.
func saveTrace(crash *internalError) string {
	const otherwise = " (--debug shows where)"
	file, err := os.CreateTemp("", "openretina-trace-*.txt")
	if err != nil {
		return otherwise
	}
	_, err = fmt.Fprintf(file, "%s\n\n%s\n%s", crash.Error(), buildFacts(), crash.stack)
	if err := errors.Join(err, file.Close()); err != nil {
		return otherwise
	}
	return fmt.Sprintf(" (a bug in openretina; please report it with %s)", file.Name())
}

// oneLine joins the lines of a message.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// explainFlag puts pflag's errors in our words and names the nearest flag.
func explainFlag(cmd *cobra.Command, err error) error {
	unknown, value := (*pflag.NotExistError)(nil), (*pflag.InvalidValueError)(nil)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		name := unknown.GetSpecifiedName()
		return flagErrorf("unknown flag --%s%s", name, suggest(name, flagNames(cmd), "--"))
	case errors.As(err, &value):
		return flagErrorf("--%s %q: %w", value.GetFlag().Name, value.GetValue(), value.Unwrap())
	}
	return asFlagError(err)
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	add := func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}

// suggest is " (did you mean --x?)", or nothing where no name is near.
func suggest(name string, known []string, prefix string) string {
	if nearest, ok := config.Nearest(name, known); ok {
		return fmt.Sprintf(": did you mean %s%s?", prefix, nearest)
	}
	return ""
}
