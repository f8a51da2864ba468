package retina

import (
	"context"
	"math"
)

// Geometry of the simulated stimulus: that of Höfling et al. 2024, low
// resolution, a pixel being 50 µm.
const (
	Channels  = 2 // green, UV
	Height    = 18
	Width     = 16
	FrameRate = 30 // frames a second
	pixels    = Height * Width
)

// Statistics of the movies.
const (
	// SceneFrames is the length of a scene, 5 s; then another one follows.
	SceneFrames = 150
	// torus is the size of the field, in pixels each way, that scenes are cut
	// from; larger than the picture, so that its edges are not neighbours.
	torus = 32
	// speed is how fast patterns change, in pixels a second: a pattern of wave
	// number k (cycles a pixel) has the corner frequency speed * k, the scaling of
	// natural movies (Dong and Atick 1995).
	speed = 8.0
	// colourCorrelation is that of the channels before the contrast is skewed;
	// natural scenes of mice have 0.6 (sky) to 0.9 (ground).
	colourCorrelation = 0.7
	// skew is the standard deviation of the logarithm of light: light in natural
	// scenes is close to log-normal.
	skew = 0.35
)

// Movie is a stimulus (channels, frames, height, width) in units of its own
// standard deviation, mean 0.
type Movie struct {
	Frames int
	Data   []float32
}

// frame is the pixels of one channel in one frame.
func (m *Movie) frame(channel, frame int) []float32 {
	start := (channel*m.Frames + frame) * pixels
	return m.Data[start : start+pixels]
}

// NewMovie makes a natural-like movie: amplitude 1/f in space, and above the
// corner frequency of each pattern also in time; scenes follow each other
// without a transition. The name picks the random stream.
func NewMovie(ctx context.Context, seed uint64, name string, frames int, step func()) (*Movie, error) {
	movie := &Movie{Frames: frames, Data: make([]float32, Channels*frames*pixels)}
	patterns := newSpectrum()
	scenes := (frames + SceneFrames - 1) / SceneFrames
	return movie, Parallel(ctx, scenes, func(scene int) error {
		first := scene * SceneFrames
		last := min(first+SceneFrames, frames)
		newScene(patterns, NewStream(seed, name, scene)).render(movie, first, last)
		step()
		return nil
	})
}

// spectrum is the field's patterns: products of a vertical and a horizontal
// cosine or sine. Mode 0 is constant, modes 2k-1 and 2k are cosine and sine of
// k cycles a torus, the last mode is the cosine of the highest frequency.
type spectrum struct {
	vertical   [Height][torus]float64
	horizontal [Width][torus]float64
	amplitude  [torus][torus]float64
	keep       [torus][torus]float64 // share of a pattern that survives one frame
	fresh      [torus][torus]float64 // share that is new, so that the variance stays 1
}

func newSpectrum() *spectrum {
	s := &spectrum{}
	for mode := range torus {
		for y := range Height {
			s.vertical[y][mode] = wave(mode, y)
		}
		for x := range Width {
			s.horizontal[x][mode] = wave(mode, x)
		}
	}
	total := 0.0
	for i := range torus {
		for j := range torus {
			f := waveNumber(i, j)
			s.amplitude[i][j] = 1 / f
			s.keep[i][j] = exp(-float64(2 * math.Pi * speed / FrameRate * f))
			s.fresh[i][j] = math.Sqrt(1 - float64(s.keep[i][j]*s.keep[i][j]))
			total += float64(1 / f * (1 / f) * power(i) * power(j))
		}
	}
	for i := range torus {
		for j := range torus {
			s.amplitude[i][j] /= math.Sqrt(total)
		}
	}
	return s
}

// frequency is the cycles a torus of a mode.
func frequency(mode int) int { return (mode + 1) / 2 }

// wave is the value of a mode at a position.
func wave(mode, position int) float64 {
	sin, cos := sinCosTurn(frequency(mode)*position%torus, torus)
	if mode%2 == 0 && mode > 0 {
		return sin
	}
	return cos
}

// power is the mean square of a mode.
func power(mode int) float64 {
	if mode == 0 || frequency(mode) == torus/2 {
		return 1
	}
	return 0.5
}

// waveNumber is the length of a pattern's wave vector in cycles a pixel. The
// constant pattern counts as the slowest one.
func waveNumber(vertical, horizontal int) float64 {
	y, x := frequency(vertical), frequency(horizontal)
	return math.Sqrt(float64(max(y*y+x*x, 1))) / torus
}

// scene is the state of two independent fields.
type scene struct {
	*spectrum
	stream *Stream
	state  [Channels][torus][torus]float64
	// Work space of one synthesis.
	weighted [torus][torus]float64
	row      [torus]float64
}

// newScene draws the first frame.
func newScene(patterns *spectrum, stream *Stream) *scene {
	s := &scene{spectrum: patterns, stream: stream}
	for c := range s.state {
		for i := range torus {
			for j := range torus {
				s.state[c][i][j] = stream.Normal()
			}
		}
	}
	return s
}

// render fills frames first to last-1 of the movie.
func (s *scene) render(movie *Movie, first, last int) {
	var fields [Channels][pixels]float64
	own := math.Sqrt(1 - colourCorrelation*colourCorrelation)
	for t := first; t < last; t++ {
		if t > first {
			s.advance()
		}
		for c := range fields {
			s.synthesise(c, &fields[c])
		}
		green, uv := movie.frame(0, t), movie.frame(1, t)
		for p := range pixels {
			shared := fields[0][p]
			green[p] = float32(light(shared))
			uv[p] = float32(light(float64(colourCorrelation*shared) + float64(own*fields[1][p])))
		}
	}
}

// advance moves every pattern on by one frame (an Ornstein-Uhlenbeck process).
func (s *scene) advance() {
	for c := range s.state {
		for i := range torus {
			for j := range torus {
				s.state[c][i][j] = float64(s.keep[i][j]*s.state[c][i][j]) + float64(s.fresh[i][j]*s.stream.Normal())
			}
		}
	}
}

// synthesise adds up the patterns of a field, first along columns, then rows.
func (s *scene) synthesise(c int, field *[pixels]float64) {
	for i := range torus {
		for j := range torus {
			s.weighted[i][j] = float64(s.amplitude[i][j] * s.state[c][i][j])
		}
	}
	for y := range Height {
		s.row = [torus]float64{}
		for i, w := range s.vertical[y] {
			for j, v := range s.weighted[i] {
				s.row[j] += float64(w * v)
			}
		}
		for x := range Width {
			sum := 0.0
			for j, w := range s.horizontal[x] {
				sum += float64(w * s.row[j])
			}
			field[y*Width+x] = sum
		}
	}
}

// Mean and standard deviation of a log-normal variable whose logarithm has mean
// -skew²/2 and standard deviation skew are 1 and this.
var lightDeviation = math.Sqrt(exp(skew*skew) - 1)

// light is the z-scored brightness of a field value.
func light(field float64) float64 {
	return (exp(float64(skew*field)-skew*skew/2) - 1) / lightDeviation
}
