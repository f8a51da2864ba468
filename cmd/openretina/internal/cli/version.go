package cli

import (
	"fmt"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/cpu"

	"github.com/open-retina/openretina-go/pkg/data"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// Version is set by the linker.
var Version = "unknown"

type versionOptions struct {
	IO   *IOStreams
	JSON bool
}

func newCmdVersion(f *Factory, runF func(Interrupts, *versionOptions) error) *cobra.Command {
	if runF == nil {
		runF = runVersion
	}
	opts := &versionOptions{IO: f.IO}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print what the program was built with",
		Args:    noArgs,
		Example: examples(`openretina version --json`),
		RunE: f.action(func([]string) error {
			return runF(f.Interrupts, opts)
		}),
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print JSON")
	return cmd
}

// fact is one line of what the program was built with and runs on.
type fact struct{ name, value string }

func facts() []fact {
	hdf5, err := data.HDF5Version()
	if err != nil {
		hdf5 = err.Error()
	}
	return []fact{
		{"openretina", Version},
		{"go", strings.TrimPrefix(runtime.Version(), "go")},
		{"libtorch", torch.Version()},
		{"hdf5", hdf5},
		{"platform", runtime.GOOS + "/" + runtime.GOARCH},
		{"cpu", cpuCapability()},
		{"threads", fmt.Sprint(threadCount(0))},
	}
}

// buildFacts is all facts in a line, for reports of bugs.
func buildFacts() string {
	var words []string
	for _, fact := range facts() {
		words = append(words, fact.name+" "+fact.value)
	}
	return strings.Join(words, ", ")
}

// cpuCapability is the widest vector unit that the kernels can use here.
func cpuCapability() string {
	switch {
	case cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL:
		return "AVX-512"
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return "AVX2"
	}
	return "no AVX2"
}

func runVersion(_ Interrupts, opts *versionOptions) error {
	if opts.JSON {
		object := map[string]string{}
		for _, fact := range facts() {
			object[fact.name] = fact.value
		}
		return writeJSON(opts.IO.Out, object)
	}
	table := tabwriter.NewWriter(opts.IO.Out, 0, 0, 1, ' ', 0)
	for _, fact := range facts() {
		fmt.Fprintf(table, "%s\t%s\n", fact.name, fact.value)
	}
	return table.Flush()
}
