package report

import (
	"image"
	"image/color"
	"math"
)

// diverging are the stops of the colour map from -1 to 1: blue, white, red,
// symmetric in lightness, so that colour-blind readers and grey printers see
// magnitudes alike and the hue tells the sign.
var diverging = [...]color.RGBA{
	{0x0b, 0x2a, 0x5b, 0xff},
	{0x1f, 0x61, 0xa5, 0xff},
	{0x5f, 0x9f, 0xcd, 0xff},
	{0xb3, 0xd2, 0xe7, 0xff},
	{0xf7, 0xf7, 0xf7, 0xff},
	{0xf6, 0xc2, 0xa9, 0xff},
	{0xdd, 0x7b, 0x60, 0xff},
	{0xb1, 0x2d, 0x35, 0xff},
	{0x5f, 0x08, 0x1f, 0xff},
}

// Diverging is the colour of a value from -1 to 1; beyond, the ends.
func Diverging(value float64) color.RGBA {
	if math.IsNaN(value) {
		return color.RGBA{0x80, 0x80, 0x80, 0xff}
	}
	position := (min(max(value, -1), 1) + 1) / 2 * float64(len(diverging)-1)
	i := min(int(position), len(diverging)-2)
	share := position - float64(i)
	a, b := diverging[i], diverging[i+1]
	mix := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-share) + float64(y)*share)) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}

// channelColours are the colours of curves: distinct in lightness too.
var channelColours = [...]color.RGBA{
	{0x1a, 0x8a, 0x3c, 0xff}, {0x7a, 0x3d, 0xb8, 0xff}, {0xc0, 0x5a, 0x00, 0xff}, {0x1f, 0x61, 0xa5, 0xff},
}

// heat is a map (height, width) as an image, each value a square of so many
// pixels, the colours symmetric around zero.
func heat(values []float64, height, width int, largest float64, square int) *image.RGBA {
	picture := image.NewRGBA(image.Rect(0, 0, width*square, height*square))
	for y := range height * square {
		for x := range width * square {
			v := values[y/square*width+x/square]
			picture.SetRGBA(x, y, Diverging(v/largest))
		}
	}
	return picture
}
