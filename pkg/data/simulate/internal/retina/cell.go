package retina

// Cell is one neuron of the simulated retina.
type Cell struct {
	// Type is the cell's type, Code its index in the list of types.
	Type string
	Code int
	// Linear says that the cell is a linear-nonlinear one.
	Linear bool
	// Row and Column are the receptive field's centre in pixels.
	Row, Column float64

	subunits []subunit
	// The rate in spikes a frame is peak * softplus(gain * drive + threshold), where
	// the drive has mean 0 and deviation 1 over the training movie.
	gain, threshold, peak float64
}

// subunit is a space-time-colour separable filter and its weight in the cell.
type subunit struct {
	weight float64
	space  [pixels]float64
	time   *[Taps]float64
	colour [Channels]float64
}

// NewCells makes so many cells of each type, all types in turn. Receptive fields
// lie where the picture holds their surround.
func NewCells(seed uint64, perType int) []Cell {
	types := cellTypes()
	cells := make([]Cell, 0, perType*len(types))
	for range perType {
		for code := range types {
			stream := NewStream(seed, "cells", len(cells))
			cells = append(cells, types[code].cell(code, stream))
		}
	}
	return cells
}

// cell draws a cell of the type.
func (t *cellType) cell(code int, stream *Stream) Cell {
	c := Cell{
		Type: t.name, Code: code, Linear: t.subunit == one,
		Row: stream.Between(5.5, 11.5), Column: stream.Between(5, 10),
		gain: stream.Between(1.8, 2.2), threshold: stream.Between(-1.2, -0.8), peak: stream.Between(0.6, 0.8),
	}
	switch t.subunit {
	case one:
		c.add(t, 1, 0, 0)
	case bothSigns:
		c.add(t, 1, 0, 0)
		c.add(t, 0.8, 0, 0)
		c.subunits[1].colour = signed(-1, t.colour)
	case pool:
		const spacing, deviation = 1.5, 2.0
		for row := -1.0; row <= 1; row++ {
			for column := -1.0; column <= 1; column++ {
				dy, dx := float64(row*spacing), float64(column*spacing)
				distance := float64(dy*dy) + float64(dx*dx)
				c.add(t, exp(-distance/(2*deviation*deviation)), dy, dx)
			}
		}
	}
	return c
}

// add appends a subunit at an offset from the cell's centre.
func (c *Cell) add(t *cellType, weight, dy, dx float64) {
	c.subunits = append(c.subunits, subunit{
		weight: weight, space: t.centre.at(c.Row+dy, c.Column+dx), time: &t.time, colour: t.colour,
	})
}

// Filter is the cell's linear filter (channels, taps, height, width), of unit
// norm; the last tap is the newest frame. Of a cell with subunits it is their
// weighted sum, which is what the cell would be without their rectification.
func (c *Cell) Filter() []float32 {
	sum := make([]float64, Channels*Taps*pixels)
	for _, s := range c.subunits {
		i := 0
		for _, colour := range s.colour {
			for _, t := range s.time {
				w := float64(s.weight * colour * t)
				for _, v := range s.space {
					sum[i] += float64(w * v)
					i++
				}
			}
		}
	}
	return unit(sum)
}
