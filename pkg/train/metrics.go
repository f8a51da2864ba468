package train

import "slices"

// averages are means over an epoch's batches, weighted by the number of clips,
// as Lightning reduces what is logged with on_epoch=True.
type averages struct {
	Names  []string              `json:"names"`
	Sums   map[string]exactFloat `json:"sums"`
	Weight map[string]float64    `json:"weight"`
}

func newAverages() *averages {
	return &averages{Sums: map[string]exactFloat{}, Weight: map[string]float64{}}
}

func (a *averages) add(name string, value float64, weight int) {
	if _, ok := a.Sums[name]; !ok {
		a.Names = append(a.Names, name)
	}
	a.Sums[name] += exactFloat(value * float64(weight))
	a.Weight[name] += float64(weight)
}

// values are the means, rounded to float32 as the Python package holds them.
func (a *averages) values() []metric {
	list := make([]metric, len(a.Names))
	for i, n := range a.Names {
		list[i] = metric{n, float64(float32(float64(a.Sums[n]) / a.Weight[n]))}
	}
	return list
}

// metric is a named number of an epoch.
type metric struct {
	name  string
	value float64
}

// update gives the metrics with newer values.
func update(metrics, newer []metric) []metric {
	updated := slices.Clone(metrics)
	for _, m := range newer {
		if i := slices.IndexFunc(updated, func(old metric) bool { return old.name == m.name }); i >= 0 {
			updated[i] = m
		} else {
			updated = append(updated, m)
		}
	}
	return updated
}

func lookup(metrics []metric, name string) (float64, bool) {
	for _, m := range metrics {
		if m.name == name {
			return m.value, true
		}
	}
	return 0, false
}
