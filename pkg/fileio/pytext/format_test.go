package pytext

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"
)

// TestFormatIsPythons compares with what Python's format() gave (testdata/format.json:
// type, number, spec, text; null where Python refuses).
func TestFormatIsPythons(t *testing.T) {
	raw, err := os.ReadFile("testdata/format.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases [][4]*string
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		kind, number, spec, want := *c[0], *c[1], *c[2], c[3]
		var got string
		if kind == "int" {
			n, parseErr := strconv.ParseInt(number, 10, 64)
			if parseErr != nil {
				t.Fatal(parseErr)
			}
			got, err = FormatInt(n, spec)
		} else {
			x, parseErr := strconv.ParseFloat(number, 64)
			if parseErr != nil {
				t.Fatal(parseErr)
			}
			got, err = FormatFloat(x, spec)
		}
		switch {
		case want == nil && err == nil:
			t.Errorf("format(%s, %q) is %q, Python refuses it", number, spec, got)
		case want != nil && (err != nil || got != *want):
			t.Errorf("format(%s, %q) is %q, %v; want %q", number, spec, got, err, *want)
		}
	}
	for _, spec := range []string{".99999999999999999999f", "9999999d", "0,.2f"} {
		if text, err := FormatFloat(1, spec); err == nil {
			t.Errorf("spec %q gave %d characters", spec, len(text))
		}
	}
}
