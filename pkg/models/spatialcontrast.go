package models

import (
	"fmt"
	"slices"
	"sort"

	"github.com/open-retina/openretina-go/pkg/torch"
	"github.com/open-retina/openretina-go/pkg/torch/nn"
)

// spatialContrast is SpatialContrastReadout (Sridhar et al. 2025). Each neuron filters
// every pixel over time with its temporal filter, and sums over space with its spatial
// filter u, both fixed. Of the filtered pixels h
//
//	imean = Σ u h / Σ u,    lsc = √(Σ u (h - imean)² / Σ u)
//
// are the weighted mean and standard deviation, and the response is
// a · softplus(b · (imean + w · lsc) + c).
//
// A response sees as many frames as the temporal filter has; the frames before the
// first such stretch have none.
type spatialContrast struct {
	path       string
	neurons    int
	w, a, b, c *torch.Tensor // a value of each neuron
	spatial    *torch.Tensor // (neurons, height, width)
	temporal   *torch.Tensor // (neurons, frames)
	sums       *torch.Tensor // Σ u of each neuron

	height, width int64   // of the features that the filters are for
	frames        int64   // of the temporal filter
	cells         []int64 // the neurons' numbers in the recording; nil where they are not known
	// atOnce is how many neurons are computed at a time, at most.
	atOnce int64
	// floor keeps the root's slope finite: the least variance.
	floor float64
}

// contrastInit are the first values of the parameters.
type contrastInit struct{ w, a, b, c float64 }

// contrastFilters are the filters of a session's neurons: spatial (neurons, height,
// width) and temporal (neurons, frames).
type contrastFilters struct {
	spatial, temporal     []float32
	height, width, frames int64
}

// newSpatialContrast makes the readout of a session under the names of
// SpatialContrastReadout.
func newSpatialContrast(p nn.Path, session Session, f *contrastFilters, first contrastInit, atOnce int64) (*spatialContrast, error) {
	n := int64(session.Neurons)
	r := &spatialContrast{
		path: p.String(), neurons: session.Neurons, height: f.height, width: f.width, frames: f.frames,
		atOnce: atOnce, floor: 1e-6,
	}
	r.w = p.Param("w", nn.Constant(first.w), n)
	r.a = p.Param("nl_a", nn.Constant(first.a), n)
	r.b = p.Param("nl_b", nn.Constant(first.b), n)
	r.c = p.Param("nl_c", nn.Constant(first.c), n)
	bias, err := session.biasInit()
	if err != nil {
		return nil, err
	}
	p.Frozen("bias", bias, n) // part of every readout of the Python package, and of no use here
	r.spatial = p.Buffer("spatial_filters", nn.Values(f.spatial), n, f.height, f.width)
	r.temporal = p.Buffer("temporal_filters", nn.Values(f.temporal), n, f.frames)
	r.sums = p.Buffer("sf_sums", nn.Values(f.sums()), n)
	return r, p.Err()
}

// sums are those of the spatial filters.
func (f *contrastFilters) sums() []float32 {
	size := int(f.height * f.width)
	sums := make([]float32, len(f.spatial)/size)
	for i := range sums {
		total := 0.0
		for _, v := range f.spatial[i*size : (i+1)*size] {
			total += float64(v)
		}
		sums[i] = float32(total)
	}
	return sums
}

func (r *spatialContrast) class() string { return "SpatialContrastReadout" }

func (r *spatialContrast) NumNeurons() int { return r.neurons }

func (r *spatialContrast) history() int64 { return r.frames - 1 }

// Regularizer is zero: there are four parameters a neuron.
func (r *spatialContrast) Regularizer(s *torch.Scope) *torch.Tensor { return s.Zeros() }

// Forward works the filters out anew, since a training may have loaded others.
func (r *spatialContrast) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	return r.Fixed(s, nil).Forward(s, features)
}

// keepPositive keeps a parameter at zero or above, as the Python classes do after
// each step of the optimizer.
func keepPositive(s *torch.Scope, parameters ...*torch.Tensor) {
	zero := 0.0
	for _, p := range parameters {
		s.ClampInPlace(p, &zero, nil)
	}
}

// A pixel outside of a neuron's spatial filter does not count, and a filter covers a
// few hundred of thousands of pixels. So each neuron is computed from its own pixels,
// in groups of neurons with about as many; over time by the matrix product with a
// band matrix, for a stretch of frames at once.
const (
	// contrastPixels bounds the pixels of a group, all neurons together.
	contrastPixels = 4096
	// contrastStretch is how many frames of responses are computed at once.
	contrastStretch = 64
)

// fixedContrast are some neurons of a readout.
type fixedContrast struct {
	readout    *spatialContrast
	supports   []support
	w, a, b, c *torch.Tensor
	box        window // around all filters, in the features
	groups     []contrastGroup
	order      []int64 // each neuron's place among those of the groups
}

// contrastGroup are neurons with the same number of pixels; smaller filters have
// pixels of weight zero.
type contrastGroup struct {
	count, size int64         // neurons, pixels of each
	pixels      []int64       // in the box (count · size)
	weights     *torch.Tensor // (count, 1, size): u / Σ u
	band        *torch.Tensor // (count, frames of the stimulus, frames of responses)
}

// support is the pixels of a neuron's spatial filter and their weights.
type support struct {
	y, x    []int64
	weights []float32
	filter  []float32 // over time
}

// Fixed finds the neurons' pixels.
func (r *spatialContrast) Fixed(s *torch.Scope, neurons []int64) FixedReadout {
	defer s.Enter(r.path)()
	if neurons == nil {
		for i := range int64(r.neurons) {
			neurons = append(neurons, i)
		}
	}
	all := &fixedContrast{readout: r, supports: r.supports(s), w: r.w, a: r.a, b: r.b, c: r.c}
	return all.only(s, neurons)
}

// only are some of the neurons.
func (f *fixedContrast) only(s *torch.Scope, neurons []int64) *fixedContrast {
	chosen := func(t *torch.Tensor) *torch.Tensor { return s.IndexSelect(s.Reshape(t, -1), 0, neurons) }
	some := &fixedContrast{readout: f.readout, w: chosen(f.w), a: chosen(f.a), b: chosen(f.b), c: chosen(f.c)}
	if s.Err() != nil {
		return some
	}
	bySize := make([]int, len(neurons))
	for i, n := range neurons {
		some.supports, bySize[i] = append(some.supports, f.supports[n]), i
	}
	size := func(i int) int { return len(some.supports[bySize[i]].weights) }
	sort.SliceStable(bySize, func(i, j int) bool { return size(i) < size(j) })
	sorted := make([]support, len(neurons))
	some.order = make([]int64, len(neurons))
	for i, n := range bySize {
		sorted[i], some.order[n] = some.supports[n], int64(i)
	}
	some.box = boxAround(sorted)
	for len(sorted) > 0 {
		n := f.readout.groupSize(sorted)
		some.groups = append(some.groups, some.group(s, sorted[:n]))
		sorted = sorted[n:]
	}
	return some
}

// groupSize is how many neurons make a group: of about as many pixels, not too many.
func (r *spatialContrast) groupSize(sorted []support) int {
	smallest := len(sorted[0].weights)
	n := 1
	for n < len(sorted) && int64(n) < r.atOnce {
		size := len(sorted[n].weights)
		if size > 2*smallest || size*(n+1) > contrastPixels {
			break
		}
		n++
	}
	return n
}

// supports reads the neurons' filters.
func (r *spatialContrast) supports(s *torch.Scope) []support {
	spatial, err := s.Float32s(r.spatial)
	temporal, timeErr := s.Float32s(r.temporal)
	sums, sumErr := s.Float32s(r.sums)
	if err != nil || timeErr != nil || sumErr != nil {
		return nil // the error is the scope's
	}
	size := int(r.height * r.width)
	list := make([]support, r.neurons)
	for n := range list {
		one := support{filter: temporal[n*int(r.frames) : (n+1)*int(r.frames)]}
		for p, u := range spatial[n*size : (n+1)*size] {
			if u != 0 || p == size-1 && len(one.weights) == 0 { // one pixel at least
				one.y = append(one.y, int64(p)/r.width)
				one.x = append(one.x, int64(p)%r.width)
				one.weights = append(one.weights, u/(sums[n]+1e-8))
			}
		}
		list[n] = one
	}
	return list
}

func boxAround(supports []support) window {
	first := supports[0]
	top, left, bottom, right := first.y[0], first.x[0], first.y[0], first.x[0]
	for _, n := range supports {
		top, bottom = min(top, slices.Min(n.y)), max(bottom, slices.Max(n.y))
		left, right = min(left, slices.Min(n.x)), max(right, slices.Max(n.x))
	}
	return window{top: top, left: left, height: bottom - top + 1, width: right - left + 1}
}

func (f *fixedContrast) group(s *torch.Scope, neurons []support) contrastGroup {
	count, size := int64(len(neurons)), int64(len(neurons[len(neurons)-1].weights))
	frames := f.readout.frames
	g := contrastGroup{count: count, size: size, pixels: make([]int64, count*size)}
	weights := make([]float32, count*size)
	seen := contrastStretch + frames - 1
	band := make([]float32, count*seen*contrastStretch)
	for i, n := range neurons {
		at := int64(i) * size
		copy(weights[at:], n.weights)
		for p := range n.weights {
			g.pixels[at+int64(p)] = (n.y[p]-f.box.top)*f.box.width + n.x[p] - f.box.left
		}
		rows := band[int64(i)*seen*contrastStretch:]
		for t := range int64(contrastStretch) {
			for k, v := range n.filter {
				rows[(t+int64(k))*contrastStretch+t] = v
			}
		}
	}
	g.weights = s.FromFloat32(weights, count, 1, size)
	g.band = s.FromFloat32(band, count, seen, contrastStretch)
	return g
}

// Keep moves all that the readout has.
func (f *fixedContrast) Keep(s *torch.Scope) FixedReadout {
	kept := *f
	kept.w, kept.a, kept.b, kept.c = s.Keep(f.w), s.Keep(f.a), s.Keep(f.b), s.Keep(f.c)
	kept.groups = slices.Clone(f.groups)
	for i, g := range f.groups {
		kept.groups[i].weights, kept.groups[i].band = s.Keep(g.weights), s.Keep(g.band)
	}
	return &kept
}

func (f *fixedContrast) Forward(s *torch.Scope, features *torch.Tensor) *torch.Tensor {
	defer s.Enter(f.readout.path)()
	pixels, clips, frames := f.pixels(s, features)
	if s.Err() != nil {
		return nil
	}
	var means, contrasts []*torch.Tensor // of stretches (neurons, clips, frames)
	for from := int64(0); from < frames; from += contrastStretch {
		mean, contrast := f.stretch(s, pixels, clips, from, min(contrastStretch, frames-from))
		means, contrasts = append(means, mean), append(contrasts, contrast)
	}
	s.Free(pixels)
	mean, contrast := f.join(s, means), f.join(s, contrasts)
	drive := s.Add(mean, s.Mul(contrast, f.w))
	return s.Mul(s.Softplus(s.Add(s.Mul(drive, f.b), f.c)), f.a)
}

// pixels gives the box of the features, pixel by pixel (pixels, clips, frames), and
// how many frames of responses there are.
func (f *fixedContrast) pixels(s *torch.Scope, features *torch.Tensor) (pixels *torch.Tensor, clips, frames int64) {
	shape, err := s.Shape(features)
	if err != nil {
		return nil, 0, 0
	}
	r, box := f.readout, f.box
	if len(shape) != 5 || shape[1] != 1 || shape[3] != r.height || shape[4] != r.width {
		s.Fail(fmt.Errorf("%sfeatures of shape %s do not fit filters of one channel of %d × %d pixels",
			r.place(), torch.FormatShape(shape), r.height, r.width))
		return nil, 0, 0
	}
	clips, frames = shape[0], shape[2]-r.history()
	if frames < 1 {
		s.Fail(fmt.Errorf("%sfeatures of shape %s are shorter than the temporal filter of %d frames",
			r.place(), torch.FormatShape(shape), r.frames))
		return nil, 0, 0
	}
	cut := s.Narrow(s.Narrow(features, 3, box.top, box.height), 4, box.left, box.width)
	moved := s.Contiguous(s.Permute(cut, 3, 4, 0, 2, 1))
	return s.Reshape(moved, box.height*box.width, clips, shape[2]), clips, frames
}

// place names the readout in errors; a single cell's has no name.
func (r *spatialContrast) place() string {
	if r.path == "" {
		return ""
	}
	return r.path + ": "
}

// stretch gives mean and contrast (neurons, clips, frames), neurons in the order of
// the groups, of a stretch of responses.
func (f *fixedContrast) stretch(s *torch.Scope, pixels *torch.Tensor, clips, from, frames int64) (mean, contrast *torch.Tensor) {
	seen := frames + f.readout.history()
	part := s.Contiguous(s.Narrow(pixels, 2, from, seen))
	var means, contrasts []*torch.Tensor
	for _, g := range f.groups {
		// As many clips at once as the processor's caches hold.
		step := max(1, min(clips, bytesAtOnce/(floatBytes*g.count*g.size*seen)))
		var mean, contrast []*torch.Tensor
		for clip := int64(0); clip < clips; clip += step {
			n := min(step, clips-clip)
			m, c := g.compute(s, s.Narrow(part, 1, clip, n), frames, f.readout.floor)
			mean, contrast = append(mean, m), append(contrast, c)
		}
		means, contrasts = append(means, s.Cat(1, mean...)), append(contrasts, s.Cat(1, contrast...))
	}
	s.Free(part)
	return s.Cat(0, means...), s.Cat(0, contrasts...)
}

// compute gives mean and contrast (neurons, clips, frames) of the pixels (pixels,
// clips, frames of the stimulus).
func (g *contrastGroup) compute(s *torch.Scope, pixels *torch.Tensor, frames int64, floor float64) (mean, contrast *torch.Tensor) {
	clips, seen := s.Dim(pixels, 1), s.Dim(pixels, 2)
	own := s.Reshape(s.IndexSelect(pixels, 0, g.pixels), g.count, g.size*clips, seen)
	band := g.band
	if frames < contrastStretch {
		band = s.Narrow(s.Narrow(band, 1, 0, seen), 2, 0, frames)
	}
	filtered := s.MatMul(own, band)
	h := s.Reshape(filtered, g.count, g.size, clips*frames)
	s.Free(own, filtered)
	m := s.MatMul(g.weights, h)
	deviation := s.Square(s.Sub(h, m))
	variance := s.MatMul(g.weights, deviation)
	s.Free(h, deviation)
	shape := []int64{g.count, clips, frames}
	return s.Reshape(m, shape...), s.Reshape(s.Sqrt(s.Clamp(variance, &floor, nil)), shape...)
}

// join puts stretches one after the other, (clips, frames, neurons) in the order of
// the neurons.
func (f *fixedContrast) join(s *torch.Scope, stretches []*torch.Tensor) *torch.Tensor {
	return s.Permute(s.IndexSelect(s.Cat(2, stretches...), 0, f.order), 1, 2, 0)
}

// Pairs computes each clip for its own neurons only.
func (f *fixedContrast) Pairs(s *torch.Scope, features *torch.Tensor, clips, neurons []int64) *torch.Tensor {
	if !slices.IsSorted(clips) {
		return pairsOf(s, f.Forward(s, features), clips, neurons)
	}
	var rows []*torch.Tensor
	for from := 0; from < len(clips); {
		to := from + 1
		for to < len(clips) && clips[to] == clips[from] {
			to++
		}
		own := f.only(s, neurons[from:to])
		responses := own.Forward(s, s.Narrow(features, 0, clips[from], 1))
		rows = append(rows, s.Permute(s.Reshape(responses, -1, int64(to-from)), 1, 0))
		from = to
	}
	return s.Cat(0, rows...)
}
