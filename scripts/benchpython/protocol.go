package main

// request asks a worker for one thing, a JSON object on one line. Both workers,
// peer.py and this program's own, know the same ones:
//
//	load   loads model and inputs of a case
//	idle   says how much memory is in use, and starts the count of its peak anew
//	run    makes calls and says how long each took, on average
//	save   writes the outputs of the calls so far to an .npz file
//	peak   says the peak of the memory since idle
//	model  makes a checkpoint (peer.py only, see modelRequest)
type request struct {
	Op   string `json:"op"`
	Path string `json:"path,omitempty"` // of save

	Calls int `json:"calls,omitempty"` // of run

	// Of load.
	Kind     kind         `json:"kind,omitempty"`
	Threads  int          `json:"threads,omitempty"`
	Model    string       `json:"model,omitempty"`    // a checkpoint
	Stimulus string       `json:"stimulus,omitempty"` // .npy, (clips, channels, frames, height, width)
	Targets  string       `json:"targets,omitempty"`  // .npy, (clips, frames, neurons), of train_step
	Session  string       `json:"session,omitempty"`
	ClipNorm float64      `json:"clip_norm,omitempty"` // largest norm of the gradient, of train_step
	Neurons  int          `json:"neurons,omitempty"`   // of mei: the first ones of the session
	MEI      *meiSettings `json:"mei,omitempty"`
}

// meiSettings say how stimuli are optimised: by SGD, from the stimulus of the
// request, with the postprocessor and the penalty that the Python package names
// ChangeNormJointlyClipRangeSeparately and RangeRegularizationLoss.
type meiSettings struct {
	Iterations   int           `json:"iterations"`
	LearningRate float64       `json:"lr"`
	Start        int64         `json:"start"` // of the window of the response
	Length       int64         `json:"length"`
	Ranges       [][2]*float64 `json:"ranges"`
	Norm         *float64      `json:"norm"`
	Penalty      float64       `json:"penalty"`      // its factor
	PenaltyNorm  *float64      `json:"penalty_norm"` // the largest that costs nothing
}

// modelRequest asks peer.py for a checkpoint.
type modelRequest struct {
	Op        string         `json:"op"`
	Path      string         `json:"path"`
	Seed      int            `json:"seed"`
	Configs   string         `json:"configs"` // the folder of Hydra configs
	Config    string         `json:"config"`
	Overrides []string       `json:"overrides"`
	Neurons   map[string]int `json:"neurons"` // by session
}

// answer is what a worker says to a request.
type answer struct {
	Error string `json:"error,omitempty"` // the request failed

	Milliseconds float64 `json:"ms,omitempty"`       // of run
	Versions     string  `json:"versions,omitempty"` // of load
	ClipNorm     float64 `json:"clip_norm,omitempty"`

	// Of idle and peak.
	Bytes int64 `json:"bytes,omitempty"`
	// PeakBefore is the peak until idle.
	PeakBefore int64 `json:"peak_before,omitempty"`
	// WholeLife is set where the count cannot be started anew, so that peak is that of
	// the whole process.
	WholeLife bool `json:"whole_life,omitempty"`
}
