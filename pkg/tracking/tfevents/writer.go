package tfevents

import (
	"errors"
	"os"
	"time"
)

// fileVersion is the format of the events; readers want it in the first one.
const fileVersion = "brain.Event:2"

// Writer appends events to a file. The first error stays: later events are dropped.
type Writer struct {
	file *os.File
	size int64
	err  error
}

// Create makes an event file, which must not be there, with its first event. writer
// says what program writes.
func Create(path, writer string) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	w := &Writer{file: file}
	if err := w.Write(Event{Time: time.Now(), version: fileVersion, writer: writer}); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Write appends events, whole: readers that watch the file see them at once.
func (w *Writer) Write(events ...Event) error {
	if w.err != nil {
		return w.err
	}
	var b []byte
	for _, e := range events {
		b = appendRecord(b, e.encode())
	}
	n, err := w.file.Write(b)
	w.size += int64(n)
	if err != nil {
		w.err = err
		// A torn record in the middle would hide all that follows it.
		w.size -= int64(n)
		_ = w.file.Truncate(w.size) // at worst the reader, or Cut, meets the torn record
	}
	return w.err
}

// Size is the number of bytes written.
func (w *Writer) Size() int64 { return w.size }

// Sync makes durable what was written.
func (w *Writer) Sync() error {
	if w.err == nil {
		w.err = w.file.Sync()
	}
	return w.err
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }
