package tracking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

// Group are the loggers of a training, by their names in the config.
type Group struct {
	names   []string
	loggers []Logger
}

// Add adds a logger.
func (g *Group) Add(name string, l Logger) {
	g.names, g.loggers = append(g.names, name), append(g.loggers, l)
}

// Len is the number of loggers.
func (g *Group) Len() int { return len(g.loggers) }

// each asks all loggers, and names those that fail.
func (g *Group) each(ask func(name string, l Logger) error) error {
	var all []error
	for i, l := range g.loggers {
		if err := ask(g.names[i], l); err != nil {
			all = append(all, fmt.Errorf("logger.%s: %w", g.names[i], err))
		}
	}
	return errors.Join(all...)
}

// Start starts all loggers with the states that States gave.
func (g *Group) Start(states map[string]json.RawMessage, log *slog.Logger) error {
	return g.each(func(name string, l Logger) error { return l.Start(Session{State: states[name], Log: log}) })
}

// Hyperparameters tells all loggers.
func (g *Group) Hyperparameters(h Hyperparameters) error {
	return g.each(func(_ string, l Logger) error { return l.Hyperparameters(h) })
}

// Row tells all loggers.
func (g *Group) Row(r Row) error {
	return g.each(func(_ string, l Logger) error { return l.Row(r) })
}

// Picture tells all loggers.
func (g *Group) Picture(p Picture) error {
	return g.each(func(_ string, l Logger) error { return l.Picture(p) })
}

// File tells all loggers.
func (g *Group) File(f File) error {
	return g.each(func(_ string, l Logger) error { return l.File(f) })
}

// Save makes durable what the loggers were told.
func (g *Group) Save() error {
	return g.each(func(_ string, l Logger) error { return l.Save() })
}

// States saves, and gives what Start needs to go on from here.
func (g *Group) States() (map[string]json.RawMessage, error) {
	states := map[string]json.RawMessage{}
	err := g.each(func(name string, l Logger) error {
		if err := l.Save(); err != nil {
			return err
		}
		state, err := l.State()
		states[name] = state
		return err
	})
	return states, err
}

// Close closes all loggers.
func (g *Group) Close(ctx context.Context, s Status) error {
	return g.each(func(_ string, l Logger) error { return l.Close(ctx, s) })
}
