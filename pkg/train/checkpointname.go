package train

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"
)

var placeholder = regexp.MustCompile(`\{([^{}:]*)(?::([^{}]*))?\}`)

// checkpointName fills the pattern of Lightning's ModelCheckpoint, such as
// {epoch:02d}_{val_loss:.3f}: each placeholder becomes its value in Python's format,
// after "name=" where insertNames. What was not logged counts as the integer 0; an
// empty pattern is {epoch}-{step}. Without a moment only the pattern is checked.
func checkpointName(pattern string, m *moment, insertNames bool) (string, error) {
	if pattern == "" {
		pattern = "{epoch}-{step}"
	}
	if rest := placeholder.ReplaceAllString(pattern, ""); strings.ContainsAny(rest, "{}") {
		return "", fmt.Errorf("checkpoint pattern %q: a brace is not closed", pattern)
	}
	var failed error
	name := placeholder.ReplaceAllStringFunc(pattern, func(text string) string {
		parts := placeholder.FindStringSubmatch(text)
		value, err := m.format(parts[1], parts[2])
		if err != nil && failed == nil {
			failed = fmt.Errorf("checkpoint pattern %q: %w", pattern, err)
		}
		if insertNames {
			return parts[1] + "=" + value
		}
		return value
	})
	return name, failed
}

// format gives what stands for a name in a pattern.
func (m *moment) format(name, spec string) (string, error) {
	switch {
	case m == nil: // some format must fit
		if _, err := pytext.FormatInt(0, spec); err == nil {
			return "", nil
		}
		return pytext.FormatFloat(0, spec)
	case name == "epoch":
		return pytext.FormatInt(int64(m.epoch), spec)
	case name == "step":
		return pytext.FormatInt(int64(m.step), spec)
	}
	if value, ok := m.score(name); ok {
		return pytext.FormatFloat(value, spec)
	}
	return pytext.FormatInt(0, spec)
}
