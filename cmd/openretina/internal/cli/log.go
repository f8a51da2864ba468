package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// logHandler writes records for people: the message, what belongs to it, and the
// level in front where it is not the usual one.
//
//	warning: session_2 has no test responses session=session_2
type logHandler struct {
	w     io.Writer
	level slog.Leveler
	attrs string // of WithAttrs, as they are printed
	group string // of WithGroup, with a dot at its end
}

func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(&logHandler{w: w, level: level})
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("warning: ")
	case r.Level < slog.LevelInfo:
		b.WriteString("debug: ")
	}
	b.WriteString(oneLine(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.group, a)
		return true
	})
	b.WriteByte('\n')
	_, err := io.WriteString(h.w, b.String())
	return err
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		for _, inner := range value.Group() {
			writeAttr(b, group+a.Key+".", inner)
		}
		return
	}
	text := oneLine(value.String())
	if text == "" || strings.ContainsAny(text, " =\"") {
		text = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(b, " %s%s=%s", group, a.Key, text)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, h.group, a)
	}
	inner := *h
	inner.attrs = b.String()
	return &inner
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	inner := *h
	inner.group += name + "."
	return &inner
}
