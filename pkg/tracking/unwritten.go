package tracking

import (
	"context"
	"encoding/json"
)

// Noter is a Logger of which the user is told something before the training.
type Noter interface {
	Logger
	Note() string
}

// unwritten is a logger that writes nothing, and says why.
type unwritten string

// Note says why.
func (u unwritten) Note() string { return string(u) }

// Start does nothing, as all that follows.
func (unwritten) Start(Session) error { return nil }

// Hyperparameters are not written.
func (unwritten) Hyperparameters(Hyperparameters) error { return nil }

// Row is not written.
func (unwritten) Row(Row) error { return nil }

// Picture is not written.
func (unwritten) Picture(Picture) error { return nil }

// File is not written.
func (unwritten) File(File) error { return nil }

// Save does nothing.
func (unwritten) Save() error { return nil }

// State is empty.
func (unwritten) State() (json.RawMessage, error) { return json.RawMessage("null"), nil }

// Close does nothing.
func (unwritten) Close(context.Context, Status) error { return nil }
