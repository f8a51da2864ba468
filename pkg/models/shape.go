package models

import (
	"fmt"

	"github.com/open-retina/openretina-go/pkg/config"
	"github.com/open-retina/openretina-go/pkg/torch"
)

// locate gives a bad argument the file and line of its config; other errors stay
// as they are.
func locate(n *config.Node, err error) error {
	var problems config.Problems
	problems.AddAt(n, err)
	return problems.Err()
}

// size is (time, height, width).
type size [3]int64

// after is the size of what a convolution or pooling makes of s.
func (s size) after(kernel, stride size, p Padding) (size, error) {
	if p.Same {
		return s, nil
	}
	var out size
	for i := range s {
		room := s[i] + 2*p.Size[i] - kernel[i]
		if room < 0 {
			return out, fmt.Errorf("a kernel of %s does not fit into %s (frames, height, width)",
				torch.FormatShape(kernel[:]), torch.FormatShape(s[:]))
		}
		out[i] = room/stride[i] + 1
	}
	return out, nil
}

// OutShape is the shape (channels, time, height, width) of the features that a
// stimulus of shape in (channels, time, height, width) has.
func (c *simpleCore) OutShape(in []int64) ([]int64, error) {
	if len(in) != 4 || (in[0] != c.Channels[0] && c.squash == nil) {
		return nil, config.Refuse("channels", "the core takes a stimulus of %d channels, time, height and width, not %s",
			c.Channels[0], torch.FormatShape(in))
	}
	s := size{in[1], in[2], in[3]}
	var err error
	if k := c.DownsampleKernelSize; k != nil {
		if s, err = s.after(*k, *k, Padding{}); err != nil {
			return nil, config.Refuse("downsample_input_kernel_size", "downsample_input_kernel_size: %v", err)
		}
	}
	if s, err = sizeAfter(c.layers, s); err != nil {
		return nil, err
	}
	s[0] = max(s[0]-c.CutFirstNFrames, 0)
	return []int64{c.Channels[len(c.Channels)-1], s[0], s[1], s[2]}, nil
}

// sizeAfter is the size of what layers make of a tensor of size s.
func sizeAfter(layers []*coreLayer, s size) (size, error) {
	var err error
	for i, l := range layers {
		if s, err = l.outSize(s); err != nil {
			return s, config.Refuse("spatial_kernel_sizes", "layer %d: %v", i, err)
		}
	}
	return s, nil
}

func (l *coreLayer) outSize(s size) (size, error) {
	s, err := l.conv.outSize(s)
	if err != nil || !l.pool {
		return s, err
	}
	return s.after(poolKernel, poolKernel, Padding{})
}
