// Package tfeventstest reads event files, for the tests of what writes them.
package tfeventstest

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/open-retina/openretina-go/pkg/tracking/tfevents"
)

// Event is what a test wants to know of an event: one value at most.
type Event struct {
	Step    int64
	Restart bool
	Tag     string
	// Scalar is NaN where the value is none.
	Scalar float64
	// Content is that of a plugin, or an encoded picture.
	Content string
}

// ReadDir reads the event files of a directory in the order of TensorBoard, without the
// first event of each.
func ReadDir(t testing.TB, dir string) []Event {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*tfevents*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	var all []Event
	for _, path := range paths {
		events := Read(t, path)
		if len(events) == 0 {
			t.Fatalf("%s is empty", path)
		}
		all = append(all, events[1:]...)
	}
	return all
}

// Read reads a file, which must be whole.
func Read(t testing.TB, path string) (events []Event) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for r := bytes.NewReader(file); ; {
		data, err := tfevents.ReadRecord(r)
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatalf("%s, event %d: %v", path, len(events), err)
		}
		events = append(events, decode(t, data))
	}
}

func decode(t testing.TB, data []byte) Event {
	t.Helper()
	e := Event{Scalar: math.NaN()}
	each(t, data, func(field protowire.Number, number uint64, message []byte) {
		switch field {
		case 2:
			e.Step = int64(number)
		case 5:
			each(t, message, func(_ protowire.Number, _ uint64, value []byte) { e.value(t, value) })
		case 7:
			e.Restart = true
		}
	})
	return e
}

func (e *Event) value(t testing.TB, value []byte) {
	t.Helper()
	each(t, value, func(field protowire.Number, number uint64, message []byte) {
		switch field {
		case 1:
			e.Tag = string(message)
		case 2:
			e.Scalar = float64(math.Float32frombits(uint32(number)))
		case 4:
			e.Content = string(message)
		case 9:
			each(t, message, func(_ protowire.Number, _ uint64, plugin []byte) {
				each(t, plugin, func(field protowire.Number, _ uint64, content []byte) {
					if field == 2 {
						e.Content = string(content)
					}
				})
			})
		}
	})
}

// each calls f for the fields of a message.
func each(t testing.TB, data []byte, f func(field protowire.Number, number uint64, message []byte)) {
	t.Helper()
	for len(data) > 0 {
		field, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		data = data[n:]
		var number uint64
		var message []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(data)
			number = uint64(bits)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(data)
		case protowire.BytesType:
			message, n = protowire.ConsumeBytes(data)
		default:
			t.Fatalf("field %d has type %d", field, kind)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		f(field, number, message)
		data = data[n:]
	}
}
