package models

import (
	"math"
	"slices"
)

// interpolation is what reading features at points comes down to: weights of
// positions.
type interpolation struct {
	positions []int64   // row · width + column, ascending; nil for all
	count     int64     // of positions
	weights   []float32 // (points, positions)
}

// interpolate is torch.nn.functional.grid_sample with bilinear interpolation and zeros
// outside, of features of height × width at points (x, y). Positions that no point
// needs are left out where they are most.
func interpolate(points []float32, height, width int64, alignCorners bool) interpolation {
	n := len(points) / 2
	near := make([]map[int64]float32, n)
	var needed []int64
	for i := range n {
		near[i] = around(inPixels(points[2*i], width, alignCorners), inPixels(points[2*i+1], height, alignCorners), height, width)
		for position := range near[i] {
			needed = append(needed, position)
		}
	}
	slices.Sort(needed)
	needed = slices.Compact(needed)
	result := interpolation{positions: needed, count: int64(len(needed))}
	const worthwhile = 2 // picking positions costs about as much as weighing twice as many
	if result.count*worthwhile > height*width || result.count == 0 {
		result = interpolation{count: height * width}
	}
	result.weights = make([]float32, int64(n)*result.count)
	for i := range n {
		for position, weight := range near[i] {
			column := position
			if result.positions != nil {
				found, _ := slices.BinarySearch(result.positions, position)
				column = int64(found)
			}
			result.weights[int64(i)*result.count+column] = weight
		}
	}
	return result
}

// inPixels is where a coordinate from -1 to 1 lies along size pixels.
func inPixels(x float32, size int64, alignCorners bool) float32 {
	if alignCorners {
		return (x + 1) / 2 * float32(size-1)
	}
	return ((x+1)*float32(size) - 1) / 2
}

// around are the weights of the positions about a point in pixels.
func around(x, y float32, height, width int64) map[int64]float32 {
	left, upper := float32(math.Floor(float64(x))), float32(math.Floor(float64(y)))
	weights := map[int64]float32{}
	for _, corner := range []struct{ x, y, weight float32 }{
		{left, upper, (left + 1 - x) * (upper + 1 - y)},
		{left + 1, upper, (x - left) * (upper + 1 - y)},
		{left, upper + 1, (left + 1 - x) * (y - upper)},
		{left + 1, upper + 1, (x - left) * (y - upper)},
	} {
		column, row := int64(corner.x), int64(corner.y)
		if column >= 0 && column < width && row >= 0 && row < height && corner.weight != 0 {
			weights[row*width+column] = corner.weight
		}
	}
	return weights
}
