package report

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"io"
	"math"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Sizes of the moving picture, in pixels.
const (
	gifTarget  = 240 // about this high
	gifMargin  = 12
	gifCaption = 22 // height of a line of text
	gifBar     = 4  // height of the progress bar
)

// maxGIFFrames bounds a moving picture; longer stimuli are refused.
const maxGIFFrames = 20000

// Indices into the palette: the colour map, then these.
const (
	mapColours = 240 // an even number and a middle: -120 to 120
	paper      = mapColours + iota
	ink
	faint
)

// GIF writes a stimulus as an endless moving picture at its own speed (GIF counts
// hundredths of a second), channels side by side, colours symmetric around zero.
func GIF(w io.Writer, s Stimulus) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.Frames > maxGIFFrames {
		return fmt.Errorf("a moving picture of %d frames: at most %d", s.Frames, maxGIFFrames)
	}
	movie := &gif.GIF{}
	p := newGIFPainter(&s)
	elapsed := 0
	for t := range s.Frames {
		movie.Image = append(movie.Image, p.paint(t))
		// The end of a frame is rounded, not its length, so that the speed is right.
		end := int(math.Round(float64(t+1) * p.delay))
		movie.Delay = append(movie.Delay, end-elapsed)
		elapsed = end
	}
	if err := gif.EncodeAll(w, movie); err != nil {
		return fmt.Errorf("writing a moving picture: %w", err)
	}
	return nil
}

// gifPainter paints frames of one stimulus.
type gifPainter struct {
	*Stimulus
	palette color.Palette
	square  int // pixels of the picture for one of the stimulus
	size    image.Rectangle
	largest float64
	delay   float64 // hundredths of a second a frame
}

func newGIFPainter(s *Stimulus) *gifPainter {
	p := &gifPainter{Stimulus: s, largest: largest(s.Data), delay: 10}
	if p.largest == 0 {
		p.largest = 1 // an empty screen
	}
	if s.FrameRate > 0 {
		p.delay = max(2, 100/s.FrameRate) // viewers slow down what is faster
	}
	for i := range mapColours + 1 {
		p.palette = append(p.palette, Diverging(float64(i-mapColours/2)/(mapColours/2)))
	}
	p.palette = append(p.palette, color.RGBA{0xff, 0xff, 0xff, 0xff}, color.RGBA{0x20, 0x20, 0x20, 0xff}, color.RGBA{0xd8, 0xd8, 0xd8, 0xff})
	p.square = max(1, gifTarget/max(s.Height, s.Width))
	p.size = image.Rect(0, 0, gifMargin+s.Channels*(s.Width*p.square+gifMargin),
		2*gifCaption+s.Height*p.square+gifBar+gifMargin)
	return p
}

// paint paints frame t.
func (p *gifPainter) paint(t int) *image.Paletted {
	picture := image.NewPaletted(p.size, p.palette)
	fill(picture, p.size, paper)
	for c := range p.Channels {
		left := gifMargin + c*(p.Width*p.square+gifMargin)
		write(picture, left, gifCaption-7, p.channelName(c))
		for i, v := range p.frame(c, t) {
			corner := image.Pt(left+i%p.Width*p.square, gifCaption+i/p.Width*p.square)
			level := mapColours/2 + int(math.Round(float64(v)/p.largest*(mapColours/2)))
			fill(picture, image.Rectangle{corner, corner.Add(image.Pt(p.square, p.square))}, uint8(level))
		}
	}
	bottom := gifCaption + p.Height*p.square
	time := strings.TrimSpace(fmt.Sprintf("%.2f %s", p.time(t, 0), p.timeUnit()))
	write(picture, gifMargin, bottom+gifCaption-7, fmt.Sprintf("%s   range +-%.2g sd", time, p.largest))
	bar := image.Rect(gifMargin, bottom+gifCaption, p.size.Max.X-gifMargin, bottom+gifCaption+gifBar)
	fill(picture, bar, faint)
	bar.Max.X = bar.Min.X + bar.Dx()*(t+1)/p.Frames
	fill(picture, bar, ink)
	return picture
}

// fill fills a rectangle with a colour of the palette.
func fill(picture *image.Paletted, area image.Rectangle, index uint8) {
	draw.Draw(picture, area, image.NewUniform(picture.Palette[index]), image.Point{}, draw.Src)
}

// write writes a line of text; y is its base line.
func write(picture *image.Paletted, x, y int, text string) {
	writer := font.Drawer{Dst: picture, Src: image.NewUniform(picture.Palette[ink]), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	writer.DrawString(text)
}
