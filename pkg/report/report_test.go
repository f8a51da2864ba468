package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/gif"
	_ "image/jpeg"
	"image/png"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
)

// separable is a stimulus of two channels that are products of a map and a course:
// channel 0 an ON flash around (2, 3), channel 1 an OFF one of half its size.
func separable() Stimulus {
	const frames, height, width = 6, 9, 8
	s := Stimulus{Channels: 2, Frames: frames, Height: height, Width: width, FrameRate: 30}
	for _, size := range []float64{2, -1} {
		for t := range frames {
			for p := range height * width {
				dy, dx := float64(p/width-2), float64(p%width-3)
				s.Data = append(s.Data, float32(size*course(t)*math.Exp(-(dy*dy+dx*dx)/4)))
			}
		}
	}
	return s
}

func course(t int) float64 { return []float64{0, -0.2, 0, 0.5, 1, 0.3}[t] }

func TestSeparate(t *testing.T) {
	s := separable()
	components, err := Separate(s)
	if err != nil {
		t.Fatal(err)
	}
	for c, size := range []float64{2, -1} {
		component := components[c]
		if math.Abs(component.Explained-1) > 1e-6 || math.Abs(component.Spatial[2*8+3]-1) > 1e-6 {
			t.Errorf("channel %d: %v explained, %v at the peak", c, component.Explained, component.Spatial[2*8+3])
		}
		for i, v := range component.Temporal {
			if math.Abs(v-size*course(i)) > 1e-5 {
				t.Errorf("channel %d, frame %d: %v, want %v", c, i, v, size*course(i))
			}
		}
	}
	grey := Stimulus{Data: make([]float32, 12), Channels: 1, Frames: 3, Height: 2, Width: 2}
	if components, err = Separate(grey); err != nil || components[0].Explained != 0 {
		t.Errorf("a grey stimulus: %+v, %v", components, err)
	}
}

// TestSeparateNoise compares the explained share with the eigenvalue equation.
func TestSeparateNoise(t *testing.T) {
	s := separable()
	for i := range s.Data {
		s.Data[i] += float32(0.3 * math.Sin(float64(i*i)))
	}
	components, err := Separate(s)
	if err != nil {
		t.Fatal(err)
	}
	rest := 0.0
	total := 0.0
	for t := range s.Frames {
		for p, v := range s.frame(0, t) {
			d := float64(v) - components[0].Temporal[t]*components[0].Spatial[p]
			rest += d * d
			total += float64(v) * float64(v)
		}
	}
	if got, want := components[0].Explained, 1-rest/total; math.Abs(got-want) > 1e-6 || got < 0.5 || got > 0.999 {
		t.Errorf("explained %v, the remainder says %v", got, want)
	}
}

func TestBadStimuli(t *testing.T) {
	good := separable()
	nan := separable()
	nan.Data[7] = float32(math.NaN())
	for name, c := range map[string]struct {
		stimulus Stimulus
		want     string
	}{
		"empty":      {Stimulus{}, "cannot show"},
		"short":      {Stimulus{Data: good.Data[1:], Channels: 2, Frames: 6, Height: 9, Width: 8}, "864 values, not 863"},
		"names":      {Stimulus{Data: good.Data, Channels: 2, Frames: 6, Height: 9, Width: 8, ChannelNames: []string{"a"}}, "1 names for the 2"},
		"not finite": {nan, "value 7"},
		"huge":       {Stimulus{Channels: 2, Frames: 1 << 40, Height: 9, Width: 8}, "cannot show"},
		"rate":       {Stimulus{Data: good.Data, Channels: 2, Frames: 6, Height: 9, Width: 8, FrameRate: math.Inf(1)}, "frames a second"},
	} {
		_, separateErr := Separate(c.stimulus)
		for what, err := range map[string]error{
			"Separate": separateErr,
			"GIF":      GIF(io.Discard, c.stimulus),
			"MEI":      MEI(io.Discard, MostExciting{Stimulus: c.stimulus}),
			"truth":    MEI(io.Discard, MostExciting{Stimulus: good, Truth: &c.stimulus}),
			"HTML":     HTML(io.Discard, Page{MEIs: []MostExciting{{Stimulus: c.stimulus}}}),
		} {
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %s: error %v, want %q", name, what, err, c.want)
			}
		}
	}
	other := Stimulus{Data: make([]float32, 2), Channels: 2, Frames: 1, Height: 1, Width: 1}
	if err := MEI(io.Discard, MostExciting{Stimulus: good, Truth: &other}); err == nil || !strings.Contains(err.Error(), "the truth has") {
		t.Errorf("a truth of another shape: %v", err)
	}
}

func TestDiverging(t *testing.T) {
	if c := Diverging(0); c.R != c.G || c.G != c.B || c.R < 0xf0 {
		t.Errorf("zero is %v, want near white", c)
	}
	lightness := func(c color.RGBA) float64 { return 0.3*float64(c.R) + 0.6*float64(c.G) + 0.1*float64(c.B) }
	for _, v := range []float64{0.25, 0.5, 0.75, 1, 7} {
		low, high := Diverging(-v), Diverging(v)
		if low.B <= low.R || high.R <= high.B {
			t.Errorf("%v: %v and %v are not blue and red", v, low, high)
		}
		if math.Abs(lightness(low)-lightness(high)) > 32 {
			t.Errorf("%v: %v and %v differ in lightness", v, low, high)
		}
	}
	if Diverging(math.NaN()).A != 0xff {
		t.Error("no colour for NaN")
	}
}

func TestGIF(t *testing.T) {
	s := separable()
	var buffer bytes.Buffer
	if err := GIF(&buffer, s); err != nil {
		t.Fatal(err)
	}
	movie, err := gif.DecodeAll(&buffer)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, delay := range movie.Delay {
		total += delay
	}
	if len(movie.Image) != s.Frames || total != 20 || movie.LoopCount != 0 {
		t.Errorf("%d frames, %d/100 s, loops %d", len(movie.Image), total, movie.LoopCount)
	}
	// In frame 4 the peak of channel 0 has the reddest colour, that of channel 1 a blue one.
	p := newGIFPainter(&s)
	at := func(channel int) color.Color {
		left := gifMargin + channel*(s.Width*p.square+gifMargin)
		return movie.Image[4].At(left+3*p.square+p.square/2, gifCaption+2*p.square+p.square/2)
	}
	if at(0) != color.Color(Diverging(1)) || at(1) != color.Color(Diverging(-0.5)) {
		t.Errorf("peaks are %v and %v", at(0), at(1))
	}
	if err := GIF(&buffer, Stimulus{Data: make([]float32, 8), Channels: 1, Frames: 2, Height: 2, Width: 2}); err != nil {
		t.Errorf("a grey stimulus: %v", err)
	}
}

func TestMEIPicture(t *testing.T) {
	truth := separable()
	for _, m := range []MostExciting{
		{Stimulus: separable()},
		{Title: "session_0, neuron 3", Note: "<b>", Stimulus: separable(), Truth: &truth, ZeroFrame: 5},
		{Stimulus: Stimulus{Data: make([]float32, 8), Channels: 1, Frames: 1, Height: 2, Width: 4}},
	} {
		var buffer bytes.Buffer
		if err := MEI(&buffer, m); err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(&buffer)
		if err != nil || picture.Bounds().Dx() < 500 || picture.Bounds().Dy() < 300 {
			t.Errorf("%q: picture %v, %v", m.Title, picture.Bounds(), err)
		}
	}
}

// fullPage has every part, hostile text and values that are no numbers.
func fullPage() Page {
	truth := separable()
	wave := []float64{0, 1, 0.5, math.NaN(), 2}
	return Page{
		Title: `<script>alert("x")</script>`, Subtitle: "a & b",
		Figures:       []Figure{{"median", "0.93", "72 neurons"}},
		Distributions: []Distribution{{Title: "d", Label: "correlation", Values: []float64{0.1, 0.9, math.NaN()}, Marks: []Mark{{"target", 0.9}, {"low", 0}, {"none", math.NaN()}}}, {Title: "empty", Marks: []Mark{{"none", math.NaN()}}}},
		Comparisons:   []Comparison{{Title: "c", XLabel: "ceiling", YLabel: "correlation", Diagonal: true, Groups: []Group{{"LN", []float64{1, 2}, []float64{1, math.Inf(1)}}}}},
		Best:          []Trace{{Title: "best", FrameRate: 30, Measured: wave, Predicted: wave, Truth: wave}},
		Worst:         []Trace{{Title: "worst", Measured: wave, Predicted: wave}},
		MEIs:          []MostExciting{{Title: "neuron", Stimulus: separable(), Truth: &truth, ZeroFrame: 5}},
		Tables:        []Table{{Title: "t", Columns: []string{"a", "b"}, Rows: [][]string{{"1", `"><img src=x>`}}}, {Title: "long", Folded: true}},
	}
}

func TestHTML(t *testing.T) {
	var buffer bytes.Buffer
	if err := HTML(&buffer, fullPage()); err != nil {
		t.Fatal(err)
	}
	text := buffer.String()
	for _, want := range []string{"&lt;script&gt;", "a &amp; b", "prefers-color-scheme: dark", "data:image/png;base64,", "Worst predicted", "<details>", "green, truth"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	shown := regexp.MustCompile(`base64,[^"]*`).ReplaceAllString(text, "")
	for _, bad := range []string{"<script", "ZgotmplZ", "http:", "https:", "<img src=x", "NaN", "Inf", "<link", "url("} {
		if strings.Contains(shown, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, source := range regexp.MustCompile(`src="([^"]{0,30})`).FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(source[1], "data:image/png;base64,") {
			t.Errorf("the page loads %q", source[1])
		}
	}
	checkNesting(t, text)
	var empty bytes.Buffer
	if err := HTML(&empty, Page{Title: "nothing"}); err != nil || strings.Contains(empty.String(), "<h2>") {
		t.Errorf("an empty page: %v", err)
	}
}

// checkNesting reads the page as XML, with HTML's void elements.
func checkNesting(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.Strict = false
	decoder.AutoClose = xml.HTMLAutoClose
	decoder.Entity = xml.HTMLEntity
	depth := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well nested: %v", err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
}

func TestBadPages(t *testing.T) {
	for want, p := range map[string]Page{
		"2 measured, 1 predicted": {Best: []Trace{{Measured: []float64{1, 2}, Predicted: []float64{1}}}},
		"0 measured":              {Worst: []Trace{{}}},
		"1 x and 0 y values":      {Comparisons: []Comparison{{Groups: []Group{{X: []float64{1}}}}}},
		"1 cells for 2 columns":   {Tables: []Table{{Columns: []string{"a", "b"}, Rows: [][]string{{"1"}}}}},
	} {
		if err := HTML(io.Discard, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		n         int
		want      []float64
	}{
		{0, 1, 5, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{-1.6, 0.4, 5, []float64{-2, -1.5, -1, -0.5, 0, 0.5}},
		{3, 3, 4, []float64{2.5, 3, 3.5}},
		{0, 12345, 3, []float64{0, 5000, 10000, 15000}},
	} {
		got := ticks(c.low, c.high, c.n)
		same := len(got) == len(c.want)
		for i := 0; same && i < len(got); i++ {
			same = math.Abs(got[i]-c.want[i]) < 1e-9
		}
		if !same {
			t.Errorf("ticks(%v, %v, %d) = %v, want %v", c.low, c.high, c.n, got, c.want)
		}
	}
	if got := number(-0.30000000000000004); got != "\u22120.3" {
		t.Errorf("number = %q", got)
	}
}

func TestWeightsPicture(t *testing.T) {
	good := Weights{Title: "layer 0", Map: []float64{1, -1, 0, 0.5, 0, 0}, Height: 2, Width: 3, Course: []float64{0, 1, -1}}
	for _, features := range []bool{true, false} {
		m := good
		m.Features = features
		var b bytes.Buffer
		if err := WeightsJPEG(&b, m); err != nil {
			t.Fatal(err)
		}
		if _, kind, err := image.DecodeConfig(bytes.NewReader(b.Bytes())); err != nil || kind != "jpeg" {
			t.Errorf("it is %q, %v", kind, err)
		}
	}
	bad, empty := good, good
	bad.Course, empty.Map = []float64{math.NaN()}, nil
	for _, m := range []Weights{bad, empty} {
		if err := WeightsJPEG(io.Discard, m); err == nil {
			t.Errorf("%+v was drawn", m)
		}
	}
}
