package config

import "testing"

// BenchmarkComposeLargest composes the primary config of our tree that has the most
// values, and resolves it.
func BenchmarkComposeLargest(b *testing.B) {
	largest, size := "", 0
	for _, name := range Primaries(configsTree) {
		c, err := Compose(openretinaOptions(name))
		if err != nil {
			continue // the template is to be filled in
		}
		if n := c.Root.size(); n > size {
			largest, size = name, n
		}
	}
	b.Logf("%s: %d values", largest, size)
	for b.Loop() {
		c, err := Compose(openretinaOptions(largest))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Root.Resolve(); err != nil {
			b.Fatal(err)
		}
	}
}
