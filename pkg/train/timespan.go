package train

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/open-retina/openretina-go/pkg/config"
)

// timedelta is a Python datetime.timedelta in a config:
// {_target_: datetime.timedelta, minutes: 30}.
type timedelta struct{ time.Duration }

const timedeltaTarget = "datetime.timedelta"

// timedeltaConfig are its arguments.
type timedeltaConfig struct {
	Target       string  `yaml:"_target_,required"`
	Days         float64 `yaml:"days"`
	Seconds      float64 `yaml:"seconds"`
	Microseconds float64 `yaml:"microseconds"`
	Milliseconds float64 `yaml:"milliseconds"`
	Minutes      float64 `yaml:"minutes"`
	Hours        float64 `yaml:"hours"`
	Weeks        float64 `yaml:"weeks"`
}

const day = 24 * time.Hour

// Forms are the arguments.
func (timedelta) Forms() []any { return []any{timedeltaConfig{}} }

// UnmarshalNode reads the mapping.
func (t *timedelta) UnmarshalNode(n *config.Node) error {
	var c timedeltaConfig
	if err := n.Decode(&c); err != nil {
		return err
	}
	if c.Target != timedeltaTarget {
		return fmt.Errorf("%s must be a %s, such as {_target_: %s, minutes: 30}", n.Path(), timedeltaTarget, timedeltaTarget)
	}
	var sum float64
	for _, part := range []struct {
		amount float64
		unit   time.Duration
	}{
		{c.Days, day},
		{c.Seconds, time.Second},
		{c.Microseconds, time.Microsecond},
		{c.Milliseconds, time.Millisecond},
		{c.Minutes, time.Minute},
		{c.Hours, time.Hour},
		{c.Weeks, 7 * day},
	} {
		sum += part.amount * float64(part.unit)
	}
	if !(sum >= 0 && sum < math.MaxInt64) {
		return fmt.Errorf("%s must be a time between 0 and %v", n.Path(), time.Duration(math.MaxInt64).Truncate(time.Hour))
	}
	t.Duration = time.Duration(math.Round(sum/float64(time.Microsecond))) * time.Microsecond
	return nil
}

// String is Python's repr.
func (t timedelta) String() string {
	var parts []string
	add := func(name string, n time.Duration) {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", name, n))
		}
	}
	add("days", t.Duration/day)
	add("seconds", t.Duration%day/time.Second)
	add("microseconds", t.Duration%time.Second/time.Microsecond)
	if parts == nil {
		parts = []string{"0"}
	}
	return timedeltaTarget + "(" + strings.Join(parts, ", ") + ")"
}

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
