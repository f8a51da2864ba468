package train

import (
	"fmt"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
)

// timespan is Lightning's max_time: DD:HH:MM:SS, a datetime.timedelta, or a mapping
// with its arguments.
type timespan struct{ time.Duration }

// Forms are those of the comment.
func (timespan) Forms() []any { return []any{"", timedeltaConfig{}} }

// UnmarshalNode reads any of the forms.
func (t *timespan) UnmarshalNode(n *config.Node) error {
	if n.Kind() == config.Map {
		var d timedelta
		if err := d.UnmarshalNode(n); err != nil {
			return err
		}
		t.Duration = d.Duration
		return nil
	}
	var text string
	if err := n.Decode(&text); err != nil {
		return err
	}
	var days, hours, minutes, seconds uint16
	var rest string
	if found, _ := fmt.Sscanf(text+"|", "%d:%d:%d:%d%s", &days, &hours, &minutes, &seconds, &rest); found != 5 || rest != "|" {
		return fmt.Errorf("%s must be a time as DD:HH:MM:SS, got %q", n.Path(), text)
	}
	t.Duration = time.Duration(days)*day + time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute +
		time.Duration(seconds)*time.Second
	return nil
}
