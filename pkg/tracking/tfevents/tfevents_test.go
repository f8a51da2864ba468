package tfevents

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRecordIsTensorFlows: the first event of a file that torch.utils.tensorboard
// (tensorboard 2.21.0) wrote, byte for byte.
func TestRecordIsTensorFlows(t *testing.T) {
	want, err := os.ReadFile("testdata/lightning.tfevents")
	if err != nil {
		t.Fatal(err)
	}
	for r := bytes.NewReader(want); ; {
		data, err := ReadRecord(r)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		at := len(want) - r.Len() - len(data) - headerSize - checksumSize
		if got := appendRecord(nil, data); !bytes.Equal(got, want[at:at+len(got)]) {
			t.Fatalf("the record at byte %d is\n% x, want\n% x", at, got, want[at:at+len(got)])
		}
	}
}

// TestEventIsTensorBoards compares encoded events with those of the recorded file.
func TestEventIsTensorBoards(t *testing.T) {
	recorded, err := os.ReadFile("testdata/lightning.tfevents")
	if err != nil {
		t.Fatal(err)
	}
	var records [][]byte
	for r := bytes.NewReader(recorded); ; {
		data, err := ReadRecord(r)
		if err != nil {
			break
		}
		records = append(records, data)
	}
	// Times differ: the first field, 9 bytes, is that of the recorded event.
	for i, e := range map[int]Event{
		0: {version: fileVersion, writer: "tensorboard.summary.writer.event_file_writer"},
		1: {Values: []Value{Scalar("hp_metric", -1)}},
		5: {Values: []Value{Scalar("lr-AdamW", 0.01)}},
		8: {Step: 7, Values: []Value{Scalar("val_loss", 4.455707550048828)}},
		// The number 0 is written, unlike fields that hold their default.
		13: {Step: 7, Values: []Value{Scalar("epoch", 0)}},
		// STATUS_SUCCESS.
		4: {Values: HParams(nil)[2:]},
	} {
		got := e.encode()
		if !bytes.Equal(got[9:], records[i][9:]) {
			t.Errorf("event %d is\n%q, want\n%q", i, got[9:], records[i][9:])
		}
	}
}

func write(t *testing.T, path string, events ...Event) {
	t.Helper()
	w, err := Create(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(events...), w.Sync(), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestCutKeepsWholeRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	write(t, path)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := appendRecord(nil, Event{Time: time.Unix(1, 0), Values: []Value{Scalar("loss", 1)}}.encode())
	whole := append(bytes.Clone(first), second...)
	for _, c := range []struct {
		name string
		file []byte
		size int
		want []byte
	}{
		{"as long as said", whole, len(whole), whole},
		{"longer", whole, len(first), first},
		{"shorter, whole", first, len(whole), first},
		{"torn in the data", whole[:len(whole)-6], len(whole), first},
		{"torn in the header", whole[:len(first)+3], len(whole), first},
		{"a length that lies", append(bytes.Clone(first), bytes.Repeat([]byte{0xff}, 40)...), len(first) + 1000, first},
		{"no events", []byte("no events at all"), 100, nil},
	} {
		if err := os.WriteFile(path, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Cut(path, int64(c.size)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %d bytes stay, want %d", c.name, len(got), len(c.want))
		}
	}
}

func TestCreateKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	write(t, path)
	if _, err := Create(path, "test"); !errors.Is(err, os.ErrExist) {
		t.Errorf("error is %v", err)
	}
}

func FuzzReadRecord(f *testing.F) {
	f.Add(appendRecord(nil, []byte("data")))
	f.Add(appendRecord(nil, nil)[:7])
	f.Fuzz(func(t *testing.T, file []byte) {
		r := bytes.NewReader(file)
		data, err := ReadRecord(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, ErrTorn) {
				t.Errorf("error is %v", err)
			}
			return
		}
		if used := len(file) - r.Len(); !bytes.Equal(appendRecord(nil, data), file[:used]) {
			t.Errorf("%d bytes of data do not make the record that was read", len(data))
		}
	})
}
