// Package cli is the command line of openretina: one file for each command.
//
// A command is a struct of options, a constructor newCmdX, and a function runX
// that does the work:
//
//	type predictOptions struct{ … }
//	func newCmdPredict(f *Factory, runF …) *cobra.Command
//	func runPredict(in Interrupts, opts *predictOptions) error
//
// The constructor turns a command line into options; tests give it a runF of
// their own to look at them. What is computed, and how, is the business of the
// packages in pkg. Results go to files and to stdout, all else to stderr.
//
// A new command is one such file and one line in newCmdRoot.
package cli
