package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

type modelsInfoOptions struct {
	IO      *IOStreams
	Resolve func(ctx context.Context, word string) (modelFiles, error)

	Model string
	JSON  bool
}

func newCmdModelsInfo(f *Factory, runF func(Interrupts, *modelsInfoOptions) error) *cobra.Command {
	if runF == nil {
		runF = runModelsInfo
	}
	opts := &modelsInfoOptions{IO: f.IO, Resolve: f.resolveFiles}
	cmd := &cobra.Command{
		Use:   "info M [--json]",
		Short: "Show what a file of a trained model holds",
		Long: long(`
			Show what a file of a trained model holds: its architecture, the sessions and their
			neurons, what it was trained on and how far, and the scores that the training stored.

			M is a name known to the hub, a Lightning checkpoint of any age, a state dict of
			torch.save, a .safetensors file, or the directory of a run or an ensemble, of which
			the first member is shown. The file need not be of a model that this program can
			use: what it says is shown all the same. Nothing in it is executed.`),
		Example: examples(`
			openretina models info hoefling_2024_base_low_res
			openretina models info model.ckpt --json`),
		Args:              wordsNamed("M", 1),
		ValidArgsFunction: completeModelNames,
		RunE: f.action(func(words []string) error {
			opts.Model = words[0]
			return runF(f.Interrupts, opts)
		}),
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print JSON")
	return cmd
}

// modelInfo is what models info --json prints.
type modelInfo struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	// Members are the files of an ensemble, of which File is the first.
	Members []string `json:"members,omitempty"`
	*models.Description
}

func runModelsInfo(in Interrupts, opts *modelsInfoOptions) error {
	files, err := opts.Resolve(in.Soft, opts.Model)
	if err != nil {
		return err
	}
	info, err := describeModel(files)
	if err != nil {
		return err
	}
	if opts.JSON {
		return writeJSON(opts.IO.Out, info)
	}
	sections := []section{{"File", info.fileRows()}, {"Model", info.modelRows()}}
	for _, s := range []section{
		{"Convolutions", info.kernelRows()},
		{"Sessions", info.sessionRows()},
		{"Data", jsonRows(info.Data)},
		{"Training", info.trainingRows()},
	} {
		if len(s.rows) > 0 {
			sections = append(sections, s)
		}
	}
	opts.IO.printSections(sections)
	return nil
}

// describeModel describes a file; of an ensemble the first, and the first problem of any.
func describeModel(files modelFiles) (first modelInfo, err error) {
	for i, path := range files {
		c, err := openModel(path)
		if err != nil {
			return first, err
		}
		stat, err := os.Stat(path)
		if err != nil {
			return first, err
		}
		d, err := models.Describe(c, path)
		if err != nil {
			return first, fmt.Errorf("%s: %w", path, err)
		}
		if i == 0 {
			first = modelInfo{File: path, Bytes: stat.Size(), Description: d}
		} else if first.Problem == "" && d.Problem != "" {
			first.Problem = path + ": " + d.Problem
		}
	}
	if len(files) > 1 {
		first.Members = files
	}
	return first, nil
}

// add appends a row unless its value is empty.
func addRow(rows [][]string, name, value string) [][]string {
	if value == "" {
		return rows
	}
	return append(rows, []string{name, value})
}

func (i *modelInfo) fileRows() (rows [][]string) {
	rows = addRow(rows, "path", i.File)
	if len(i.Members) > 1 {
		rows = addRow(rows, "ensemble", fmt.Sprintf("the first of %d members", len(i.Members)))
	}
	rows = addRow(rows, "size", byteCount(float64(i.Bytes)))
	rows = addRow(rows, "format", string(i.Format))
	return addRow(rows, "written by", i.WrittenBy)
}

func (i *modelInfo) modelRows() (rows [][]string) {
	class := i.Class
	if class == "" {
		class = "not known"
	}
	rows = addRow(rows, "class", class)
	rows = addRow(rows, "core", i.Core)
	rows = addRow(rows, "readout", i.Readout)
	rows = addRow(rows, "parameters", grouped(i.Parameters))
	rows = addRow(rows, "buffers", grouped(i.Buffers))
	if i.InShape != nil {
		rows = addRow(rows, "stimulus", torch.FormatShape(i.InShape)+" (channels, frames, height, width)")
	}
	if i.HiddenDim > 0 {
		rows = addRow(rows, "responses", fmt.Sprintf("of %s neurons, taken apart into %s hidden units", grouped(i.InputDim), grouped(i.HiddenDim)))
	}
	if i.CutFrames != nil {
		rows = addRow(rows, "lag", fmt.Sprintf("%d frames without response at the start of a clip", *i.CutFrames))
	}
	if i.Problem != "" {
		return addRow(rows, "not usable", i.Problem)
	}
	return rows
}

func (i *modelInfo) kernelRows() (rows [][]string) {
	if len(i.Kernels) == 0 {
		return nil
	}
	rows = [][]string{{"name", "channels", "kernel (time × height × width)"}}
	for _, k := range i.Kernels {
		time := "?"
		if k.Time > 0 {
			time = fmt.Sprint(k.Time)
		}
		rows = append(rows, []string{k.Name, fmt.Sprintf("%d → %d", k.In, k.Out), fmt.Sprintf("%s × %d × %d", time, k.Height, k.Width)})
	}
	return rows
}

func (i *modelInfo) sessionRows() (rows [][]string) {
	if len(i.Sessions) == 0 {
		return nil
	}
	heading, neurons := []string{"name", "neurons"}, int64(0)
	if i.Score != nil {
		heading = append(heading, strings.TrimSpace(i.Score.Metric+" mean"), "median", "of neurons")
	}
	rows = append(rows, heading)
	for _, s := range i.Sessions {
		rows = append(rows, append([]string{s.Name, fmt.Sprint(s.Neurons)}, scoreCells(s.Score)...))
		neurons += s.Neurons
	}
	if len(i.Sessions) > 1 {
		rows = append(rows, append([]string{fmt.Sprintf("%d sessions", len(i.Sessions)), grouped(neurons)}, scoreCells(i.Score)...))
	}
	return rows
}

func scoreCells(s *models.DescribedScore) []string {
	switch {
	case s == nil:
		return nil
	case s.Mean == nil:
		return []string{"-", "-", fmt.Sprintf("0 of %d", s.Of)}
	}
	n := fmt.Sprint(s.N)
	if s.N < s.Of {
		n = fmt.Sprintf("%d of %d", s.N, s.Of)
	}
	return []string{fmt.Sprintf("%.4f", *s.Mean), fmt.Sprintf("%.4f", *s.Median), n}
}

func (i *modelInfo) trainingRows() (rows [][]string) {
	t := i.Training
	if t == nil {
		return nil
	}
	rows = addRow(rows, "epoch", fmt.Sprint(t.Epoch))
	rows = addRow(rows, "step", fmt.Sprint(t.GlobalStep))
	rows = addRow(rows, "optimizer", settingsText(t.Optimizer))
	rows = addRow(rows, "lr_scheduler", settingsText(t.Schedule))
	for _, name := range t.Callbacks {
		rows = addRow(rows, "callback", name)
	}
	if t.Resumable {
		rows = addRow(rows, "resumable", "to the same bits (trainer.ckpt_path)")
	}
	return rows
}

// jsonRows are the entries of a JSON object, one a row.
func jsonRows(object json.RawMessage) (rows [][]string) {
	d, err := checkpoint.DecodeHyperParameters(object)
	if err != nil {
		return nil // there is none
	}
	for _, key := range d.Keys() {
		v, _ := d.Get(key)
		rows = append(rows, []string{key, jsonText(v)})
	}
	return rows
}

// settingsText is the class of a JSON object and its settings in one line.
func settingsText(object json.RawMessage) string {
	var words []string
	for _, row := range jsonRows(object) {
		if row[0] == "_target_" {
			words = append(words, row[1])
			continue
		}
		words = append(words, row[0]+"="+row[1])
	}
	return strings.Join(words, " ")
}

// longestValue is how much of a value a line shows.
const longestValue = 80

func jsonText(v any) string {
	text := ""
	switch v := v.(type) {
	case nil:
		text = "null"
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = jsonText(item)
		}
		text = "[" + strings.Join(items, ", ") + "]"
	case *pickle.Dict:
		text = "{" + strings.Join(v.Keys(), ", ") + "}"
	default:
		text = oneLine(fmt.Sprint(v))
	}
	if runes := []rune(text); len(runes) > longestValue {
		text = string(slices.Concat(runes[:longestValue-1], []rune("…")))
	}
	return text
}
