package checkpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/open-retina/openretina-go/pkg/fileio/pytext"

	"github.com/open-retina/openretina-go/pkg/fileio/pickle"
)

// resolver resolves OmegaConf's interpolations against the containers that were
// pickled with a node: absolute paths ${a.b}, relative ones ${.a} and ${..a}, list
// indices, interpolations inside of interpolations, and the cached ${now:...}. What
// cannot be resolved from the file (environment variables, missing keys) stays as
// it is written.
type resolver struct {
	u     *unwrapper
	node  *pickle.Object
	depth int
}

// maxText bounds texts with interpolations: they can multiply.
const maxText = 1 << 12

func hasInterpolation(text string) bool {
	return len(text) <= maxText && strings.Contains(text, "${")
}

// resolve returns the value of a text: of the interpolation's type where the text is
// nothing else.
func (r *resolver) resolve(text string) (any, error) {
	start := strings.Index(text, "${")
	if start < 0 {
		return text, nil
	}
	end := closing(text, start)
	if end < 0 || start > 0 && text[start-1] == '\\' {
		return text, nil
	}
	value, ok, err := r.expression(text[start+2 : end])
	if err != nil || !ok {
		return text, err
	}
	if start == 0 && end == len(text)-1 {
		return value, nil
	}
	rest, err := r.resolve(text[end+1:])
	if err != nil {
		return nil, err
	}
	whole := text[:start] + pythonText(value) + pythonText(rest)
	if len(whole) > maxText {
		return nil, errors.New("an interpolated text is too long")
	}
	return whole, nil
}

// closing is the index of the brace that closes the one at start, or -1.
func closing(text string, start int) int {
	open := 0
	for i := start; i < len(text); i++ {
		switch text[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// expression is the value of what stands between the braces; false where it cannot
// be told from the file.
func (r *resolver) expression(text string) (any, bool, error) {
	if hasInterpolation(text) {
		inner, err := r.resolve(text)
		if err != nil {
			return nil, false, err
		}
		text = pythonText(inner)
		if hasInterpolation(text) {
			return nil, false, nil
		}
	}
	if name, argument, ok := strings.Cut(text, ":"); ok {
		v, ok := r.cached(name, argument)
		return v, ok, nil
	}
	target, ok := r.lookup(strings.TrimSpace(text))
	if !ok {
		return nil, false, nil
	}
	v, err := r.u.value(target, r.depth+1)
	return v, err == nil, err
}

// cached is what a resolver gave when the config was made.
func (r *resolver) cached(name, argument string) (any, bool) {
	metadata, _ := attr[*pickle.Object](root(r.node), "_metadata")
	if metadata == nil {
		return nil, false
	}
	cache, ok := attr[*pickle.Dict](metadata, "resolver_cache")
	if !ok {
		return nil, false
	}
	values, _ := cache.Get(name)
	if byArguments, ok := values.(*pickle.Dict); ok {
		return byArguments.Get(pickle.Tuple{argument})
	}
	return nil, false
}

// lookup follows a path to a node or value.
func (r *resolver) lookup(path string) (any, bool) {
	from := root(r.node)
	if keys := strings.TrimLeft(path, "."); keys != path {
		from = r.node
		for range len(path) - len(keys) {
			if from = parent(from); from == nil {
				return nil, false
			}
		}
		path = keys
	}
	var at any = from
	path = strings.NewReplacer("[", ".", "]", "").Replace(path)
	for _, key := range strings.Split(path, ".") {
		var ok bool
		if at, ok = child(at, key); !ok {
			return nil, false
		}
	}
	return at, true
}

// child is the entry of a container.
func child(container any, key string) (any, bool) {
	o, ok := container.(*pickle.Object)
	if !ok {
		return nil, false
	}
	content, _ := o.Attr("_content")
	number, err := strconv.Atoi(key)
	switch c := content.(type) {
	case *pickle.Dict:
		if v, ok := c.Get(key); ok {
			return v, true
		}
		if err == nil {
			return c.Get(int64(number))
		}
	case *pickle.List:
		if err == nil && number >= 0 && number < len(c.Items) {
			return c.Items[number], true
		}
	}
	return nil, false
}

func parent(o *pickle.Object) *pickle.Object {
	p, _ := attr[*pickle.Object](o, "_parent")
	return p
}

// root is the outermost container; the chain of parents of a hostile file is cut.
func root(o *pickle.Object) *pickle.Object {
	for range maxTreeDepth {
		p := parent(o)
		if p == nil {
			return o
		}
		o = p
	}
	return o
}

// attr is an attribute of a given type.
func attr[T any](o *pickle.Object, name string) (T, bool) {
	v, _ := o.Attr(name)
	t, ok := v.(T)
	return t, ok
}

// pythonText is Python's str() of a leaf.
func pythonText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return pytext.Float(v)
	}
	return fmt.Sprint(v)
}
