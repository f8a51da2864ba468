package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/open-retina/openretina-go/pkg/data/simulate"
	"github.com/open-retina/openretina-go/pkg/evaluation"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
	"github.com/open-retina/openretina-go/pkg/insilico"
	"github.com/open-retina/openretina-go/pkg/models"
	"github.com/open-retina/openretina-go/pkg/report"
	"github.com/open-retina/openretina-go/pkg/torch/checkpoint"
)

// pageFile is the page of all results.
const pageFile = "report.html"

// evalOutput writes and prints an evaluation.
type evalOutput struct {
	*evalOptions
	settings *evalSettings
	files    modelFiles
	results  []*evaluation.Result
	paths    []string // written so far
}

func (o *evalOutput) publish(m *models.CoreReadout) error {
	inputs, err := o.readInputs()
	if err != nil {
		return err
	}
	truth, err := o.compareTruth(inputs)
	if err != nil {
		return err
	}
	content := evaluation.PageContent{
		Title: "How well the model predicts", Subtitle: fmt.Sprintf("%s on %s", o.files, o.settings.experiment),
		Results: o.results, Inputs: inputs, Truth: truth, FrameRate: frameRate(m),
	}
	if score, ok := trainedScore(m, o.files); ok {
		content.Trained = &score
	}
	if truth != nil {
		content.FrameRate = truth.Truth.FrameRate
	}
	if err := o.write(content); err != nil {
		return err
	}
	return o.print(content)
}

// readInputs are the most exciting inputs to show, if there are any of this model.
func (o *evalOutput) readInputs() (*insilico.Record, error) {
	if o.settings.mei == "" {
		return nil, nil
	}
	inputs, err := insilico.ReadRecord(o.settings.mei)
	if err != nil {
		return nil, fmt.Errorf("most exciting inputs: %w", err)
	}
	digest, err := o.files.digest()
	if err != nil {
		return nil, err
	}
	if inputs.ModelDigest != digest {
		o.Warn(fmt.Sprintf("the most exciting inputs in %s are those of another model (%s): they are left out", o.settings.mei, inputs.Model))
		return nil, nil
	}
	return inputs, nil
}

// compareTruth compares with the truth, where the data has it.
func (o *evalOutput) compareTruth(inputs *insilico.Record) (*evaluation.TruthComparison, error) {
	for _, r := range o.results {
		if r.Report.Split != simulate.TestStimulus || o.settings.dataDir == "" {
			continue
		}
		truth, err := simulate.LoadTruth(o.settings.dataDir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return evaluation.CompareTruth(truth, r, inputs)
	}
	return nil, nil
}

// trainedScore is what training left in the model's checkpoint, or in the one that
// it wrote of the same model after its test.
func trainedScore(m *models.CoreReadout, files modelFiles) (evaluation.TrainedScore, bool) {
	if score, ok := evaluation.Trained(m.DataInfo); ok {
		return score, true
	}
	base, isCheckpoint := strings.CutSuffix(files[0], ".ckpt")
	if !isCheckpoint || len(files) > 1 {
		return evaluation.TrainedScore{}, false
	}
	final, err := checkpoint.Open(base + "_final.ckpt")
	if err != nil || final.HyperParameters == nil {
		return evaluation.TrainedScore{}, false
	}
	value, _ := final.HyperParameters.Get("data_info")
	info, _ := value.(*pickle.Dict)
	return evaluation.Trained(info)
}

// write writes all files.
func (o *evalOutput) write(content evaluation.PageContent) error {
	for _, r := range o.results {
		if err := o.writeResult(r); err != nil {
			return err
		}
	}
	page, err := evaluation.Page(content)
	if err != nil {
		return err
	}
	path := filepath.Join(o.settings.output, pageFile)
	o.paths = append(o.paths, path)
	return fileio.WriteFile(path, func(w io.Writer) error { return report.HTML(w, page) })
}

// writeResult writes the tables and summaries of one part of the data.
func (o *evalOutput) writeResult(r *evaluation.Result) error {
	dir, part := o.settings.output, r.Report.Split
	if err := errors.Join(r.Report.WriteCSV(dir), r.Report.WriteSummary(dir)); err != nil {
		return err
	}
	for _, name := range []string{"results_%s.csv", "aligned_%s.csv", "summary_%s.json", "aligned_summary_%s.json"} {
		o.paths = append(o.paths, filepath.Join(dir, fmt.Sprintf(name, part)))
	}
	for _, extra := range []struct {
		path  *string
		write func(path string) error
	}{
		{o.settings.node.ModelResultsPath, r.Report.WriteResultsFile},
		{o.settings.node.SummaryResultsPath, r.Report.WriteSummaryFile},
	} {
		if extra.path == nil {
			continue
		}
		path := o.partPath(*extra.path, part)
		if err := extra.write(path); err != nil {
			return err
		}
		o.paths = append(o.paths, path)
	}
	return nil
}

// partPath names the part of the data in a path where there are several.
func (o *evalOutput) partPath(path, part string) string {
	if len(o.results) == 1 {
		return path
	}
	extension := filepath.Ext(path)
	return strings.TrimSuffix(path, extension) + "_" + part + extension
}

// print prints the report, the comparisons, and the paths of the files.
func (o *evalOutput) print(content evaluation.PageContent) error {
	w := o.IO.Out
	for _, r := range o.results {
		if err := r.Report.Print(w); err != nil {
			return err
		}
		fmt.Fprintln(w, r.AlignedLine())
	}
	if t := content.Trained; t != nil {
		fmt.Fprintf(w, "Score when trained (%s, mean over clips and neurons): %.3f\n", t.Metric, t.Mean)
	}
	if content.Truth != nil {
		fmt.Fprintln(w, "Compared with the true cells:")
		for _, line := range content.Truth.Lines() {
			fmt.Fprintln(w, "  "+line)
		}
	}
	for _, path := range o.paths {
		if _, err := fmt.Fprintln(w, path); err != nil {
			return err
		}
	}
	return nil
}
