package data

import (
	"context"
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
	stimuli   StimulusReader
	responses ResponseReader
	arrange   Arranger
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
	// StimulusReader reads the movies.
	StimulusReader interface {
		readStimuli(ctx context.Context, env *environment) (*stimuli, error)
		// shared tells that all sessions saw one movie.
		shared() bool
		location() location
	}
	// ResponseReader reads the responses.
	ResponseReader interface {
		readResponses(ctx context.Context, env *environment) ([]*recording, error)
		location() location
	}
	// Arranger splits recordings into training, validation and test.
	Arranger interface {
		arrange(m *movies, r *recording) (*Session, error)
		// shared tells that it wants one movie for all sessions.
		shared() bool
		sizes() clipSettings
	}
)

// The names under _target_ of each kind of node.
var (
	StimulusReaders = &config.Registry[struct{}, StimulusReader]{What: "stimulus reader"}
	ResponseReaders = &config.Registry[struct{}, ResponseReader]{What: "response reader"}
	Arrangers       = &config.Registry[struct{}, Arranger]{What: "dataloader"}
	// Recordings are what data_dict of Höfling's responses may call.
	Recordings = &config.Registry[struct{}, recordings]{What: "function"}
)

func init() { //nolint:gochecknoinits // fills the tables above, nothing else
	config.Register(StimulusReaders, "openretina.data_io.hoefling_2024.stimuli.movies_from_pickle",
		moviesFromPickle{}, moviesFromPickle.build)
	config.Register(StimulusReaders, "openretina.data_io.h5_dataset_reader.load_stimuli",
		directoryStimuli{}, directoryStimuli.build)
	config.Register(StimulusReaders, "openretina.data_io.maheswaranathan_2023.stimuli.load_all_stimuli",
		defaultBaccusStimuli(), baccusStimuli.build)

	config.Register(ResponseReaders, "openretina.data_io.hoefling_2024.responses.make_final_responses",
		defaultHoeflingResponses(), hoeflingResponses.build)
	config.Register(ResponseReaders, "openretina.data_io.h5_dataset_reader.load_responses",
		directoryResponses{}, directoryResponses.build)
	config.Register(ResponseReaders, "openretina.data_io.maheswaranathan_2023.responses.load_all_responses",
		defaultBaccusResponses(), baccusResponses.build)

	config.Register(Arrangers, "openretina.data_io.hoefling_2024.dataloaders.natmov_dataloaders_v2",
		defaultSharedMovie(), sharedMovie.build)
	config.Register(Arrangers, "openretina.data_io.base_dataloader.multiple_movies_dataloaders",
		defaultMovieEach(), movieEach.build)

	config.Register(Recordings, loadFunction, loadHDF5{}, loadHDF5.build)
	config.Register(Recordings, filterFunction, paperFilter(), cellFilter.build)
}

// ParseConfig checks the nodes data_io, dataloader and
// check_stimuli_responses_match of a composed config without reading any data.
// Its errors are those of the config: a *config.Error or a config.ErrorList.
func ParseConfig(cfg *config.Node) (*Source, error) {
	s := &Source{}
	var problems config.Problems
	s.stimuli = part(cfg, "data_io.stimuli", StimulusReaders, &problems)
	s.responses = part(cfg, "data_io.responses", ResponseReaders, &problems)
	s.arrange = part(cfg, "dataloader", Arrangers, &problems)
	var info *config.Node
	problems.Add(cfg.ReadAt("data_io.data_info", &info))
	if info != nil {
		s.extra, _ = info.Value().(config.Object)
	}
	problems.Add(cfg.ReadAt("check_stimuli_responses_match", &s.match))
	if s.stimuli != nil && s.arrange != nil && s.stimuli.shared() != s.arrange.shared() {
		n, _ := cfg.At("dataloader")
		problems.Add(config.Errorf(n, "dataloader: this dataloader and data_io.stimuli do not go together: one has a movie for "+
			"all sessions, the other one for each"))
	}
	if err := problems.InOrder(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// part builds what a node names; a missing node is an error.
func part[T any](cfg *config.Node, path string, known *config.Registry[struct{}, T], problems *config.Problems) (built T) {
	n, err := cfg.Select(path)
	if err == nil && n == nil {
		err = &config.Error{
			Class: "ConfigError", Key: path, Message: path + " is missing", Origin: cfg.Origin(),
			Hint: "it says where the data comes from",
		}
	}
	if err == nil {
		built, err = known.Build(n, struct{}{})
	}
	problems.Add(err)
	return built
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
