package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// printTable prints rows, the first of which is the heading: aligned for a
// person, else separated by tabs and without heading, for programs.
func (s *IOStreams) printTable(rows [][]string) error {
	if !s.OutIsTerminal {
		for _, row := range rows[1:] {
			fmt.Fprintln(s.Out, strings.Join(row, "\t"))
		}
		return nil
	}
	table := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// writeJSON prints a value as indented JSON.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// section is a part of a result that is printed under a title.
type section struct {
	title string
	rows  [][]string
}

// printSections prints each part as a table.
func (s *IOStreams) printSections(sections []section) {
	for i, section := range sections {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		fmt.Fprintln(s.Out, section.title)
		s.printRows(section.rows)
	}
}

// printRows prints aligned rows, indented.
func (s *IOStreams) printRows(rows [][]string) {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(table, "  "+strings.Join(row, "\t"))
	}
	_ = table.Flush() // a buffer takes everything
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(s.Out, strings.TrimRight(line, " \n"))
	}
}
