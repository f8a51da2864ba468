package data

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/open-retina/openretina-go/pkg/config"
)

// Options are what loading depends on besides the config.
type Options struct {
	// Resolve finds files; nil stands for ResolveCached.
	Resolve Resolver
	// Log is told what is dropped and what looks wrong; nil keeps silent.
	Log *slog.Logger
}

// Source is the data part of a config, checked and ready to be loaded.
type Source struct {
	stimuli   stimulusReader
	responses responseReader
	arrange   arranger
	extra     config.Object
	// match is check_stimuli_responses_match: movies and responses must have
	// the same stimuli of the same length.
	match bool
}

// environment is what reading depends on.
type environment struct {
	resolve Resolver
	log     *slog.Logger
	// listed are the session files of directories that were looked through.
	listed map[string][]sessionFile
}

func newEnvironment(options Options) *environment {
	env := &environment{resolve: options.Resolve, log: options.Log, listed: map[string][]sessionFile{}}
	if env.resolve == nil {
		env.resolve = ResolveCached
	}
	if env.log == nil {
		env.log = slog.New(slog.DiscardHandler)
	}
	return env
}

// The parts of a Source, one for each node of the config. Each has passed all
// checks that need no data.
type (
	stimulusReader interface {
		readStimuli(ctx context.Context, env *environment) (*stimuli, error)
		// shared tells that all sessions saw one movie.
		shared() bool
	}
	responseReader interface {
		readResponses(ctx context.Context, env *environment) ([]*recording, error)
	}
	// arranger splits recordings into training, validation and test.
	arranger interface {
		arrange(m *movies, r *recording) (*Session, error)
		// shared tells that it wants one movie for all sessions.
		shared() bool
	}
)

// The names under _target_ of each kind of node.
var (
	stimulusReaders = table[stimulusReader]("stimulus reader", map[string]config.Factory[struct{}, stimulusReader]{
		"openretina.data_io.hoefling_2024.stimuli.movies_from_pickle": build[stimulusReader, moviesFromPickle],
		"openretina.data_io.h5_dataset_reader.load_stimuli":           build[stimulusReader, directoryStimuli],
	})
	responseReaders = table[responseReader]("response reader", map[string]config.Factory[struct{}, responseReader]{
		"openretina.data_io.hoefling_2024.responses.make_final_responses": build[responseReader, hoeflingResponses],
		"openretina.data_io.h5_dataset_reader.load_responses":             build[responseReader, directoryResponses],
	})
	arrangers = table[arranger]("dataloader", map[string]config.Factory[struct{}, arranger]{
		"openretina.data_io.hoefling_2024.dataloaders.natmov_dataloaders_v2": build[arranger, sharedMovie],
		"openretina.data_io.base_dataloader.multiple_movies_dataloaders":     build[arranger, movieEach],
	})
)

func table[T any](what string, factories map[string]config.Factory[struct{}, T]) *config.Registry[struct{}, T] {
	r := &config.Registry[struct{}, T]{What: what}
	for target, factory := range factories {
		r.Register(target, factory)
	}
	return r
}

// fromNode is a part of a Source that reads itself from its node: fill decodes
// the node over the Python package's defaults and checks the values.
type fromNode[S any] interface {
	*S
	fill(n *config.Node) error
}

// build makes a part of a Source of type *S, which implements T.
func build[T any, S any, P fromNode[S]](n *config.Node, _ struct{}) (T, error) {
	part := P(new(S))
	if err := part.fill(n); err != nil {
		var none T
		return none, err
	}
	return any(part).(T), nil
}

// refused is an error about a node of the config.
func refused(n *config.Node, format string, args ...any) *config.Error {
	return &config.Error{
		Class: "DecodeError", Message: n.Path() + ": " + fmt.Sprintf(format, args...),
		Key: n.Path(), Origin: n.Origin(),
	}
}

// ParseConfig checks the nodes data_io, dataloader and
// check_stimuli_responses_match of a composed config without reading any data.
// Its errors are those of the config: a *config.Error or a config.ErrorList.
func ParseConfig(cfg *config.Node) (*Source, error) {
	s := &Source{}
	var errs config.ErrorList
	s.stimuli = part(cfg, "data_io.stimuli", stimulusReaders, &errs)
	s.responses = part(cfg, "data_io.responses", responseReaders, &errs)
	s.arrange = part(cfg, "dataloader", arrangers, &errs)
	decode(cfg, "data_io.data_info", func(n *config.Node) error {
		resolved, err := n.Resolve()
		if err == nil {
			s.extra, _ = resolved.Value().(config.Object)
		}
		return err
	}, &errs)
	decode(cfg, "check_stimuli_responses_match", func(n *config.Node) error { return n.Decode(&s.match) }, &errs)
	if len(errs) == 0 && s.stimuli.shared() != s.arrange.shared() {
		n, _ := cfg.At("dataloader")
		errs = append(errs, refused(n, "this dataloader and data_io.stimuli do not go together: one has a movie for all "+
			"sessions, the other one for each"))
	}
	switch len(errs) {
	case 0:
		return s, nil
	case 1:
		return nil, errs[0]
	}
	return nil, errs
}

// part builds what a node names; a missing node is an error.
func part[T any](cfg *config.Node, path string, known *config.Registry[struct{}, T], errs *config.ErrorList) (built T) {
	if _, ok := cfg.At(path); !ok {
		*errs = append(*errs, &config.Error{
			Class: "DecodeError", Key: path, Message: path + " is missing", Origin: cfg.Origin(),
			Hint: "it says where the data comes from",
		})
		return built
	}
	decode(cfg, path, func(n *config.Node) (err error) {
		built, err = known.Build(n, struct{}{})
		return err
	}, errs)
	return built
}

// decode reads a node if it is there and keeps the errors.
func decode(cfg *config.Node, path string, read func(*config.Node) error, errs *config.ErrorList) {
	n, err := cfg.Select(path)
	if err == nil {
		if n == nil || n.Kind() == config.Null {
			return
		}
		err = read(n)
	}
	keep(errs, err)
}

// keep adds an error of the config to a list.
func keep(errs *config.ErrorList, err error) {
	var one *config.Error
	var many config.ErrorList
	switch {
	case err == nil:
	case errors.As(err, &many):
		*errs = append(*errs, many...)
	case errors.As(err, &one):
		*errs = append(*errs, one)
	default:
		*errs = append(*errs, &config.Error{Class: "DecodeError", Cause: err})
	}
}

// Load reads the data.
func (s *Source) Load(ctx context.Context, options Options) (*Dataset, error) {
	env := newEnvironment(options)
	movies, err := s.stimuli.readStimuli(ctx, env)
	if err != nil {
		return nil, err
	}
	recordings, err := s.responses.readResponses(ctx, env)
	if err != nil {
		return nil, err
	}
	return s.assemble(ctx, movies, recordings)
}

// Load checks the data part of a composed config, then reads the data.
func Load(ctx context.Context, cfg *config.Node, options Options) (*Dataset, error) {
	source, err := ParseConfig(cfg)
	if err != nil {
		return nil, err
	}
	return source.Load(ctx, options)
}
