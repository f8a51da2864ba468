package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/fileio"
	"github.com/open-retina/openretina-go/pkg/models"
)

// EnsembleFile is in a directory whose models are the members of an ensemble.
const EnsembleFile = "ensemble.json"

// ensembleKey of a config lists the seeds of an ensemble's members.
const ensembleKey = "ensemble_seeds"

// ensembleIndex is the content of EnsembleFile.
type ensembleIndex struct {
	// Members are files of models or directories of runs, as seen from the directory.
	Members []string `json:"members"`
}

// IsEnsemble tells that a directory is one of EnsembleMembers.
func IsEnsemble(dir string) bool {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return false
	}
	if _, err := os.Stat(filepath.Join(dir, EnsembleFile)); err == nil {
		return true
	}
	_, err := models.SeedFiles(dir)
	return !errors.Is(err, fs.ErrNotExist)
}

// EnsembleMembers are the files of the members of the ensemble in a directory: those
// that EnsembleFile lists, of runs their best checkpoints, else those of
// models.SeedFiles. It is an fs.ErrNotExist where there are neither.
func EnsembleMembers(dir string) ([]string, error) {
	path := filepath.Join(dir, EnsembleFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return models.SeedFiles(dir)
	}
	if err != nil {
		return nil, err
	}
	var index ensembleIndex
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(index.Members) == 0 {
		return nil, fmt.Errorf("%s lists no members", path)
	}
	files := make([]string, len(index.Members))
	for i, name := range index.Members {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%s: the member %q is not below the directory", path, name)
		}
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err == nil && info.IsDir() {
			file, err = BestCheckpoint(file)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: member %q: %w", path, name, err)
		}
		files[i] = file
	}
	return files, nil
}

// Ensemble is the training of an ensemble, one member for each seed.
type Ensemble struct {
	// OutputDir is paths.output_dir, which gets a run directory for each member.
	OutputDir string

	cfg     *config.Config
	members []ensembleMember
}

type ensembleMember struct {
	seed uint64
	name string // of its directory below OutputDir
	plan *Plan
}

// NewEnsemble checks a composed config as NewPlan does; nil where it has no
// ensemble_seeds, and so is of one training.
func NewEnsemble(cfg *config.Config) (*Ensemble, error) {
	n, ok := cfg.Root.At(ensembleKey)
	if !ok || n.Kind() == config.Null {
		return nil, nil
	}
	whole, err := NewPlan(cfg)
	if err != nil {
		return nil, err
	}
	if err := checkSeeds(n, whole.root.EnsembleSeeds); err != nil {
		return nil, err
	}
	if path := orElse(whole.trainer.CkptPath, ""); path != "" && path != lastCheckpoint {
		return nil, config.Errorf(cfg.Root, "trainer.ckpt_path=%s: the members of an ensemble are trained each by itself: "+
			"trainer.ckpt_path=last goes on with those that are not done", path)
	}
	e := &Ensemble{OutputDir: whole.OutputDir, cfg: cfg}
	for _, seed := range whole.root.EnsembleSeeds {
		m := ensembleMember{seed: uint64(seed), name: fmt.Sprintf("seed_%d", seed)}
		if m.plan, err = e.plan(m); err != nil {
			return nil, err
		}
		e.members = append(e.members, m)
	}
	return e, nil
}

// checkSeeds refuses seeds of which no ensemble can be made.
func checkSeeds(n *config.Node, seeds []uint32) error {
	if len(seeds) == 0 {
		return config.Errorf(n, "%s is empty: list the seed of each member, or leave it out", ensembleKey)
	}
	for i, seed := range seeds {
		if slices.Contains(seeds[:i], seed) {
			return config.Errorf(n, "%s has %d twice: members of one seed are the same", ensembleKey, seed)
		}
	}
	return nil
}

// plan is the training of a member: the config with its seed and its directory.
func (e *Ensemble) plan(m ensembleMember) (*Plan, error) {
	cfg := *e.cfg
	cfg.Root = e.cfg.Root.Clone()
	for path, value := range map[string]any{
		"seed": int64(m.seed), ensembleKey: nil, "paths.output_dir": filepath.Join(e.OutputDir, m.name),
	} {
		if err := cfg.Root.Set(path, value); err != nil {
			return nil, err
		}
	}
	return NewPlan(&cfg)
}

// First is the training of the first member, and Len how many there are.
func (e *Ensemble) First() *Plan { return e.members[0].plan }

// Len is the number of members.
func (e *Ensemble) Len() int { return len(e.members) }

// Run trains one member after the other, as Plan.Run does each, and leaves a directory
// that is a model: EnsembleFile, and the scores in ResultFile. Where trainer.ckpt_path
// is last, it goes on with the member that was interrupted; those that are done stay.
func (e *Ensemble) Run(soft, hard context.Context, env Environment) (*EnsembleResult, error) {
	if err := WriteHydraFiles(e.cfg, e.OutputDir); err != nil {
		return nil, err
	}
	for _, file := range []string{EnsembleFile, ResultFile} { // of an earlier ensemble
		if err := removeFile(filepath.Join(e.OutputDir, file)); err != nil {
			return nil, err
		}
	}
	var index ensembleIndex
	result := &EnsembleResult{}
	for i, m := range e.members {
		env.Log.Info("member of the ensemble", "seed", m.seed, "number", fmt.Sprintf("%d/%d", i+1, len(e.members)))
		r, err := m.train(soft, hard, env)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.name, err)
		}
		index.Members = append(index.Members, m.name)
		result.Members = append(result.Members, MemberResult{Seed: m.seed, Directory: m.name, Result: r})
	}
	result.summarize()
	if err := fileio.WriteJSON(filepath.Join(e.OutputDir, EnsembleFile), index); err != nil {
		return nil, err
	}
	return result, fileio.WriteJSON(filepath.Join(e.OutputDir, ResultFile), result)
}

// train trains a member, unless it is done and the training is one that goes on.
func (m ensembleMember) train(soft, hard context.Context, env Environment) (*Result, error) {
	if orElse(m.plan.trainer.CkptPath, "") == lastCheckpoint {
		done, err := ReadResult(m.plan.OutputDir)
		if err == nil {
			env.Log.Info("the member is done", "directory", m.plan.OutputDir)
			return done, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return m.plan.Run(soft, hard, env)
}

// EnsembleResult is what the training of an ensemble leaves. Its keys are those of
// Result too, with means over the members.
type EnsembleResult struct {
	Members   []MemberResult `json:"members"`
	Monitored *ScoreSpread   `json:"monitored"`
	Objective *ScoreSpread   `json:"objective"`
	Tests     []TestSpread   `json:"tests"`
}

// MemberResult is the result of a member.
type MemberResult struct {
	Seed uint64 `json:"seed"`
	// Directory is its run directory, as seen from the ensemble's.
	Directory string `json:"directory"`
	*Result
}

// ScoreSpread is the mean of the members' scores, and their standard deviation with
// divisor n; both are nil where a member's score is no finite number.
type ScoreSpread struct {
	Score
	Std *float64 `json:"std"`
}

// TestSpread is the mean and the spread of the members' scores on a part of the data.
type TestSpread struct {
	Name          string   `json:"name"`
	Loss          *float64 `json:"loss"`
	LossStd       *float64 `json:"loss_std"`
	Evaluation    *float64 `json:"evaluation"`
	EvaluationStd *float64 `json:"evaluation_std"`
}

// summarize fills in means and spreads.
func (r *EnsembleResult) summarize() {
	r.Monitored = r.spread(func(m *Result) *Score { return m.Monitored })
	r.Objective = r.spread(func(m *Result) *Score { return m.Objective })
	for i, test := range r.Members[0].Tests {
		s := TestSpread{Name: test.Name}
		s.Loss, s.LossStd = r.meanAndStd(func(m *Result) float64 { return m.Tests[i].Loss })
		s.Evaluation, s.EvaluationStd = r.meanAndStd(func(m *Result) float64 { return m.Tests[i].Evaluation })
		r.Tests = append(r.Tests, s)
	}
}

// spread sums up a score; nil where the members have none.
func (r *EnsembleResult) spread(of func(*Result) *Score) *ScoreSpread {
	first := of(r.Members[0].Result)
	if first == nil {
		return nil
	}
	s := &ScoreSpread{Score: *first}
	s.Value, s.Std = r.meanAndStd(func(m *Result) float64 {
		if score := of(m); score != nil {
			return orElse(score.Value, math.NaN())
		}
		return math.NaN()
	})
	return s
}

func (r *EnsembleResult) meanAndStd(of func(*Result) float64) (mean, std *float64) {
	n, sum, squares := float64(len(r.Members)), 0.0, 0.0
	for _, m := range r.Members {
		sum += of(m.Result)
	}
	for _, m := range r.Members {
		squares += math.Pow(of(m.Result)-sum/n, 2)
	}
	return finite(sum / n), finite(math.Sqrt(squares / n))
}
