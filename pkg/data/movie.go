package data

import (
	"errors"
	"fmt"
	"math"
	"sort"

	"github.com/open-retina/openretina-go/pkg/ndarray"
)

// Movie is a stimulus: Data has shape (Channels, Frames, Height, Width).
type Movie struct {
	Channels, Frames, Height, Width int
	Data                            []float32
}

// newMovie is a black movie.
func newMovie(channels, frames, height, width int) *Movie {
	return &Movie{
		Channels: channels, Frames: frames, Height: height, Width: width,
		Data: make([]float32, channels*frames*height*width),
	}
}

// movieOf makes a movie of an array (channels, frames, height, width).
func movieOf(a *ndarray.Array) (*Movie, error) {
	if len(a.Shape) != 4 {
		return nil, fmt.Errorf("shape %v, but (channels, frames, height, width) is needed", a.Shape)
	}
	m := &Movie{Channels: a.Shape[0], Frames: a.Shape[1], Height: a.Shape[2], Width: a.Shape[3], Data: a.Float32s()}
	return m, m.checkFinite()
}

// checkFinite finds the first pixel that is no number.
func (m *Movie) checkFinite() error {
	for i, value := range m.Data {
		if v := float64(value); math.IsNaN(v) || math.IsInf(v, 0) {
			frame := i / (m.Height * m.Width)
			return fmt.Errorf("a pixel of channel %d at frame %d is %v", frame/m.Frames, frame%m.Frames, value)
		}
	}
	return nil
}

// statistics are the mean of all pixels and their standard deviation, with divisor
// n - 1, in single precision as the Python package keeps them.
func (m *Movie) statistics() (mean, std float64) {
	var sum, squares float64
	for _, v := range m.Data {
		sum += float64(v)
	}
	n := float64(len(m.Data))
	mean = sum / n
	for _, v := range m.Data {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	return float64(float32(mean)), float64(float32(math.Sqrt(squares / (n - 1))))
}

// normalise subtracts a mean and divides by a standard deviation, in float32.
func (m *Movie) normalise(mean, std float64) {
	for i, v := range m.Data {
		m.Data[i] = (v - float32(mean)) / float32(std)
	}
}

// View is the whole movie as it is.
func (m *Movie) View() View {
	v := View{colors: m.Channels, height: m.Height, width: m.Width}
	if m.Frames > 0 {
		v.stretches = []stretch{{movie: m, frames: m.Frames}}
		v.frames = m.Frames
	}
	return v
}

// ViewWith is the whole movie with the behaviour that was recorded while it was shown,
// frame by frame.
func (m *Movie) ViewWith(b *Behavior) (View, error) {
	v := m.View()
	if b == nil {
		return v, nil
	}
	if b.Frames != m.Frames {
		return View{}, fmt.Errorf("the movie has %d frames, the behaviour %d", m.Frames, b.Frames)
	}
	v.behavior = b.Signals
	for i := range v.stretches {
		v.stretches[i].behavior = b
	}
	return v, nil
}

// stretch is some consecutive frames of a movie, and of the behaviour during it; at is
// their place in the view.
type stretch struct {
	movie            *Movie
	behavior         *Behavior // nil: none
	from, frames, at int
}

// View is a movie as a session saw it, made of stretches of other movies whose
// frames it shares: cut, put into another order, mirrored. Behaviour that was recorded
// with it follows as further channels, each of one value all over the frame. The zero
// value has no frames. A View is immutable and may be used by several goroutines.
type View struct {
	stretches     []stretch
	frames        int
	colors        int // channels of the movie
	behavior      int // channels of behaviour
	height, width int
	mirrored      bool
}

// Frames is the number of frames.
func (v View) Frames() int { return v.frames }

// Shape gives channels, those of behaviour among them, frames, height and width.
func (v View) Shape() (channels, frames, height, width int) {
	return v.colors + v.behavior, v.frames, v.height, v.width
}

// Behavior is how many of the channels, the last ones, are behaviour.
func (v View) Behavior() int { return v.behavior }

// Slice is the frames from start up to, not including, end.
func (v View) Slice(start, end int) View {
	out := v
	out.stretches, out.frames = nil, 0
	v.each(start, end-start, func(s stretch) { out.add(s) })
	return out
}

// add appends a stretch, and joins it with the last one where they are
// neighbours in the same movie.
func (v *View) add(s stretch) {
	if n := len(v.stretches); n > 0 {
		last := &v.stretches[n-1]
		if last.movie == s.movie && last.behavior == s.behavior && last.from+last.frames == s.from {
			last.frames += s.frames
			v.frames += s.frames
			return
		}
	}
	s.at = v.frames
	v.stretches = append(v.stretches, s)
	v.frames += s.frames
}

// each calls visit for the parts of the stretches that make up n frames from
// start, in order.
func (v View) each(start, n int, visit func(stretch)) {
	first := sort.Search(len(v.stretches), func(i int) bool {
		return v.stretches[i].at+v.stretches[i].frames > start
	})
	for _, s := range v.stretches[first:] {
		if n <= 0 {
			return
		}
		skip := max(0, start-s.at)
		s.from, s.frames = s.from+skip, min(s.frames-skip, n)
		n -= s.frames
		visit(s)
	}
}

// Mirror is the view with left and right exchanged, as the other eye saw it.
func (v View) Mirror() View {
	v.mirrored = !v.mirrored
	return v
}

// Concat joins views in time. They must agree in channels, height and width, in
// being mirrored and in how many signals of behaviour they have.
func Concat(views ...View) (View, error) {
	if len(views) == 0 {
		return View{}, errors.New("no movies to join")
	}
	out := views[0].Slice(0, 0)
	for _, v := range views {
		if v.colors != out.colors || v.height != out.height || v.width != out.width || v.mirrored != out.mirrored {
			return View{}, fmt.Errorf("movies of %d×%d×%d and %d×%d×%d (channels, height, width) cannot be joined",
				out.colors, out.height, out.width, v.colors, v.height, v.width)
		}
		if v.behavior != out.behavior {
			return View{}, fmt.Errorf("movies with %d and with %d signals of behaviour cannot be joined", out.behavior, v.behavior)
		}
		for _, s := range v.stretches {
			out.add(s)
		}
	}
	return out, nil
}

// Copy writes n frames from start into dst, which has shape (channels, n, height,
// width).
func (v View) Copy(dst []float32, start, n int) {
	pixels := v.height * v.width
	done := 0
	v.each(start, n, func(s stretch) {
		for c := range v.colors {
			from := (c*s.movie.Frames + s.from) * pixels
			to := (c*n + done) * pixels
			v.copyRows(dst[to:to+s.frames*pixels], s.movie.Data[from:from+s.frames*pixels])
		}
		for b := range v.behavior {
			to := ((v.colors+b)*n + done) * pixels
			s.behavior.spread(dst[to:to+s.frames*pixels], b, s.from, pixels)
		}
		done += s.frames
	})
}

// copyRows copies frames, each row reversed where the view is mirrored.
func (v View) copyRows(dst, src []float32) {
	if !v.mirrored {
		copy(dst, src)
		return
	}
	for at := 0; at < len(src); at += v.width {
		row, mirror := src[at:at+v.width], dst[at:at+v.width]
		for i, value := range row {
			mirror[v.width-1-i] = value
		}
	}
}

// Movie copies the view into a movie of its own.
func (v View) Movie() *Movie {
	channels, frames, height, width := v.Shape()
	m := newMovie(channels, frames, height, width)
	v.Copy(m.Data, 0, v.frames)
	return m
}
