package torch

import (
	"math"
	"testing"
)

// gridSampleCase are values and gradients that PyTorch gave:
//
//	x = torch.arange(2*2*3*4, dtype=torch.float32).reshape(2, 2, 3, 4).sin()
//	grid = torch.tensor([[[[-1., -1.]], [[.3, -.2]], [[1.2, .5]]], [[[0., 0.]], [[1., 1.]], [[-.7, .9]]]])
//	y = torch.nn.functional.grid_sample(x, grid, align_corners=align_corners)
//	(y * torch.arange(1, 13).reshape(y.shape)).sum().backward()
type gridSampleCase struct {
	alignCorners            bool
	output, gradX, gradGrid []float32
}

var gridSampleCases = []gridSampleCase{
	{
		true,
		[]float32{0.0, -0.069532, -0.120051, -0.536573, -0.416789, -0.24372, -0.825833, -0.428183, 0.662957, -0.537572, 0.123573, 0.387222},
		[]float32{
			1.0, 0.02, 0.38, 0.0, 0.0, 0.08, 1.52, 1.05, 0.0, 0.0, 0.0, 1.05, 4.0, 0.05, 0.95, 0.0, 0.0, 0.2, 3.8, 2.1, 0.0, 0.0, 0.0, 2.1,
			0.0, 0.0, 0.0, 0.0, 0.495, 3.905, 3.5, 0.0, 4.455, 3.645, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.66, 5.54, 5.0, 0.0, 5.94, 4.86, 0.0, 11.0,
		},
		[]float32{7.002646, 0.237876, 3.789639, -11.056559, 3.905303, -7.66326, -14.774658, 25.271492, 3.099235, 2.066157, 16.058605, 8.776466},
	},
	{
		false,
		[]float32{0.0, 0.119701, -0.058575, -0.134143, -0.175658, -0.05972, -0.825833, -0.107046, 0.387579, -0.537572, 0.030893, 0.065664},
		[]float32{
			0.25, 0.0, 0.54, 0.06, 0.0, 0.0, 1.26, 0.215, 0.0, 0.0, 0.0, 0.225, 1.0, 0.0, 1.35, 0.15, 0.0, 0.0, 3.15, 0.5, 0.0, 0.0, 0.0, 0.45,
			0.0, 0.0, 0.0, 0.0, 0.0, 3.5, 3.5, 0.0, 5.265, 0.585, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 0.0, 7.02, 0.78, 0.0, 2.75,
		},
		[]float32{-2.146292, -1.609719, 6.985207, -15.185837, 10.680828, -1.642126, -19.699545, 37.907238, 2.066157, 1.549618, 18.245224, -9.868114},
	},
}

func TestGridSampleEqualsPyTorchs(t *testing.T) { compareGridSamples(t, CPU) }

func TestGridSampleOnAGPU(t *testing.T) { compareGridSamples(t, gpu(t)) }

func compareGridSamples(t *testing.T, d Device) {
	t.Helper()
	for _, c := range gridSampleCases {
		doOn(t, d, Probe, func(s *Scope) error {
			sines := make([]float32, 2*2*3*4)
			for i := range sines {
				sines[i] = float32(math.Sin(float64(i)))
			}
			x := s.RequireGrad(s.FromFloat32(sines, 2, 2, 3, 4), true)
			points := []float32{-1, -1, 0.3, -0.2, 1.2, 0.5, 0, 0, 1, 1, -0.7, 0.9}
			grid := s.RequireGrad(s.FromFloat32(points, 2, 3, 1, 2), true)
			y := s.GridSample(x, grid, c.alignCorners)
			s.BackwardWith(y, s.FromFloat32([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 2, 3, 1))
			for _, part := range []struct {
				name string
				got  *Tensor
				want []float32
			}{{"output", y, c.output}, {"gradient of x", s.Grad(x), c.gradX}, {"gradient of grid", s.Grad(grid), c.gradGrid}} {
				for i, v := range values(t, s, part.got) {
					if math.Abs(float64(v-part.want[i])) > 2e-5 {
						t.Errorf("align_corners %v: value %d of %s is %v, want %v", c.alignCorners, i, part.name, v, part.want[i])
						break
					}
				}
			}
			return s.Err()
		})
	}
}
