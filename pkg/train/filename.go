package train

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var placeholder = regexp.MustCompile(`\{([^{}:]+)(?::([^{}]*))?\}`)

// checkpointName fills the pattern of Lightning's ModelCheckpoint, such as
// {epoch:02d}_{val_loss:.3f}: each placeholder becomes its value in Python's
// format, after "name=" where insertNames. Unknown metrics count as 0.
func checkpointName(pattern string, metrics []metric, insertNames bool) (string, error) {
	var failed error
	name := placeholder.ReplaceAllStringFunc(pattern, func(text string) string {
		parts := placeholder.FindStringSubmatch(text)
		value, _ := lookup(metrics, parts[1])
		formatted, err := pythonFormat(value, parts[2])
		if err != nil {
			failed = fmt.Errorf("checkpoint pattern %q: %w", pattern, err)
		}
		if insertNames {
			// Lightning writes nothing for the slashes of grouped metrics.
			return parts[1] + "=" + formatted
		}
		return formatted
	})
	return strings.ReplaceAll(name, "/", "_"), failed
}

var formatSpec = regexp.MustCompile(`^(0?)(\d*)(?:\.(\d+))?([dfeg]?)$`)

// pythonFormat formats a number by a format spec of the kinds 02d, .3f, .2e.
func pythonFormat(v float64, spec string) (string, error) {
	parts := formatSpec.FindStringSubmatch(spec)
	if parts == nil {
		return "", fmt.Errorf("format %q is not understood", spec)
	}
	zero, width, precision, verb := parts[1], parts[2], parts[3], parts[4]
	if verb == "d" {
		return fmt.Sprintf("%"+zero+width+"d", int64(v)), nil
	}
	if verb == "" && precision == "" {
		if v == float64(int64(v)) {
			return fmt.Sprintf("%"+zero+width+"d", int64(v)), nil
		}
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	if verb == "" {
		verb = "g"
	}
	format := "%" + zero + width
	if precision != "" {
		format += "." + precision
	}
	return fmt.Sprintf(format+verb, v), nil
}
